// CTC prefix beam search (Hannun et al., arXiv:1408.2873), streaming: a hypothesis is a prefix with the sum of its
// alignments, kept apart by whether they end in a blank; beside the sum the best alignment alone says when pieces were.
#pragma once

#include "beam.hpp"

namespace wavelane {

class CtcBeam final : public Beam {
 public:
  using Beam::Beam;

  // ``scores`` [frames, stride]
  void advance(const float* scores, int64_t stride, int32_t frames) {
    for (int32_t t = 0; t < frames; ++t, ++frame_) {
      now_.take(scores + t * stride, options_, blank_penalty());
      if (!now_.finite()) continue;
      if (options_.beam == 1) {
        advance_greedily();
      } else {
        advance_all();
      }
    }
  }

 private:
  // A way to go on from a hypothesis.
  struct Candidate {
    double score;
    int32_t from, token;  // token -1: no new piece, and the hypothesis is stays_[from]
    int32_t reading;      // of the new piece, -1: nothing is read
  };
  // What a new piece leads to.
  struct Reading {
    double added;
    Context context;
  };

  int32_t token_of(const Hypothesis& h) const { return nodes_[h.node].token; }

  // The best symbol of every frame, with what is added to those that are new pieces (Bataev et al., arXiv:2505.22857).
  void advance_greedily() {
    Hypothesis& h = beam_[0];
    const bool in_run = h.symbol.all > kNever;
    const int32_t current = token_of(h);
    double best = now_[options_.blank], added = 0;
    int32_t chosen = -1;  // blank
    if (in_run && now_[current] > best) {
      best = now_[current];
      chosen = current;
    }
    Context context = h.context;
    bool fresh = false;
    for (const int32_t token : now_.tokens) {
      if (in_run && token == current) continue;
      Context tried = h.context;
      const double weight = fusion_ == nullptr ? 0.0 : fusion_->read(tried, token);
      if (now_[token] + weight > best) {
        best = now_[token] + weight;
        added = weight;
        chosen = token;
        context = tried;
        fresh = true;
      }
    }
    Ending to = h.likelier();
    const double acoustic = now_[chosen < 0 ? options_.blank : chosen];
    h.total = to.all = to.best = h.total + acoustic;
    if (chosen >= 0) to.heard = frame_;
    if (fresh) {
      h.node = child(h.node, chosen);
      to.path = link(chosen, to.path, acoustic);
      h.context = context;
      h.fused += added;
    } else if (chosen >= 0) {
      strengthen(to.path, acoustic);
    }
    (chosen < 0 ? h.blank : h.symbol) = to;
    (chosen < 0 ? h.symbol : h.blank) = Ending{};
  }

  void advance_all() {
    const int32_t size = static_cast<int32_t>(beam_.size());
    for (int32_t i = 0; i < size; ++i) nodes_[beam_[i].node].hypothesis = i;
    candidates_.clear();
    readings_.clear();
    stays_.resize(size);
    taken_.assign(static_cast<size_t>(size), {});
    double best = kNever;
    for (int32_t i = 0; i < size; ++i) {
      stays_[i] = stay(beam_[i]);
      best = std::max(best, stays_[i].score());
      candidates_.push_back({stays_[i].score(), i, -1, -1});
    }
    const double gain = fusion_ == nullptr ? 0.0 : fusion_->gain();
    for (int32_t i = 0; i < size; ++i) {
      const Hypothesis& h = beam_[i];
      for (const int32_t token : now_.tokens) {
        // Tokens come in the order of their probability.
        if (h.score() + now_[token] + gain < best - options_.margin) break;
        if (std::find(taken_[i].begin(), taken_[i].end(), token) != taken_[i].end()) continue;
        double score = (token == token_of(h) ? h.blank.all : h.total) + now_[token] + h.fused;
        if (score == kNever || score + gain < best - options_.margin) continue;
        int32_t reading = -1;
        if (fusion_ != nullptr) {
          reading = static_cast<int32_t>(readings_.size());
          readings_.push_back({0, h.context});
          readings_.back().added = fusion_->read(readings_.back().context, token);
          score += readings_.back().added;
        }
        best = std::max(best, score);
        candidates_.push_back({score, i, token, reading});
      }
    }
    for (const Hypothesis& h : beam_) nodes_[h.node].hypothesis = -1;
    const auto worse = [](const Candidate& a, const Candidate& b) {
      return a.score != b.score ? a.score < b.score : a.from != b.from ? a.from > b.from : a.token > b.token;
    };
    std::make_heap(candidates_.begin(), candidates_.end(), worse);
    const double least = candidates_[0].score - options_.margin;
    next_.clear();
    while (!candidates_.empty() && candidates_[0].score >= least && static_cast<int>(next_.size()) < options_.beam) {
      const Candidate c = candidates_[0];
      std::pop_heap(candidates_.begin(), candidates_.end(), worse);
      candidates_.pop_back();
      if (!joins(c)) next_.push_back(c.token < 0 ? stays_[c.from] : extend(beam_[c.from], c));
    }
    beam_.swap(next_);
  }

  // Whether a better hypothesis is already there that whatever comes treats alike, as in any decoder over a graph of states
  // (Young et al., 1989): the same last piece, and the same history as far as the language models look. Without this a few
  // doubtful words in a row fill the beam with their combinations. Where alternatives are wanted they stay apart.
  bool joins(const Candidate& c) const {
    if (fusion_ == nullptr || options_.alternatives > 1) return false;
    const Hypothesis& from = beam_[c.from];
    const int32_t token = c.token < 0 ? token_of(from) : c.token;
    const Context& context = c.reading < 0 ? from.context : readings_[c.reading].context;
    return std::any_of(next_.begin(), next_.end(), [&](const Hypothesis& h) {
      return token_of(h) == token && fusion_->alike(h.context, context);
    });
  }

  // A hypothesis after a frame without a new piece, with the hypotheses that become it by one.
  Hypothesis stay(const Hypothesis& h) {
    Hypothesis next = h;
    next.blank.all = h.total + now_[options_.blank];
    const Ending& likelier = h.likelier();
    next.blank.best = likelier.best + now_[options_.blank];
    next.blank.path = likelier.path;
    next.blank.heard = likelier.heard;
    const int32_t token = token_of(h);
    if (token >= 0) {
      next.symbol.all = h.symbol.all + now_[token];
      next.symbol.best = h.symbol.best + now_[token];
      if (h.symbol.all > kNever) {
        next.symbol.heard = frame_;
        strengthen(h.symbol.path, now_[token]);
      }
      const int32_t parent = nodes_[h.node].parent;
      const int32_t from = parent < 0 ? -1 : nodes_[parent].hypothesis;
      if (from >= 0) {
        taken_[from].push_back(token);
        const Ending entering = enter(beam_[from], token);
        next.symbol.all = log_add(next.symbol.all, entering.all);
        if (entering.best > next.symbol.best) {
          next.symbol.best = entering.best;
          next.symbol.path = link(token, entering.path, now_[token]);
          next.symbol.heard = frame_;
        }
      }
    }
    next.total = log_add(next.blank.all, next.symbol.all);
    return next;
  }

  // A hypothesis and a new piece.
  Hypothesis extend(const Hypothesis& h, const Candidate& c) {
    const int32_t token = c.token;
    Hypothesis next;
    next.fused = h.fused;
    if (c.reading >= 0) {
      next.fused += readings_[c.reading].added;
      next.context = readings_[c.reading].context;
    }
    next.symbol = enter(h, token);
    next.symbol.path = link(token, next.symbol.path, now_[token]);
    next.symbol.heard = frame_;
    next.total = next.symbol.all;
    next.node = child(h.node, token);
    return next;
  }

  // Alignments of a hypothesis that go on with a new piece; the same piece again needs a blank in between.
  Ending enter(const Hypothesis& h, int32_t token) const {
    const bool again = token == token_of(h);
    const Ending& best = again ? h.blank : h.likelier();
    return {(again ? h.blank.all : h.total) + now_[token], best.best + now_[token], best.path, frame_};
  }

  // A piece is as sure as its surest frame.
  void strengthen(int32_t path, double log_probability) {
    if (path >= 0) links_[path].confidence = std::max(links_[path].confidence, static_cast<float>(std::exp(log_probability)));
  }

  Frame now_;
  std::vector<Candidate> candidates_;
  std::vector<Reading> readings_;
  std::vector<Hypothesis> stays_, next_;
  std::vector<std::vector<int32_t>> taken_;
};

}  // namespace wavelane
