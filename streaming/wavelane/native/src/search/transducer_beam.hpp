// RNN-T beam search by frame with a few symbols a frame (modified adaptive expansion, Kim et al., arXiv:2104.11127; with
// one it is the modified beam search of k2, arXiv:2211.00484). The networks run elsewhere: a hypothesis names the slot in
// which the prediction network's state after its pieces is kept.
#pragma once

#include "beam.hpp"

namespace wavelane {

class TransducerBeam final : public Beam {
 public:
  using Beam::Beam;

  int32_t slots() const { return options_.beam * (options_.expansions + 1); }

  const std::vector<Hypothesis>& begin_frame() {
    active_ = beam_;
    done_.clear();
    round_ = 0;
    used_.assign(slots(), 0);
    for (const Hypothesis& h : active_) used_[h.slot] = 1;
    return active_;
  }

  struct Move {
    int32_t source, target, token;
  };

  // ``scores`` [active, stride]: each active hypothesis reads a blank, which ends its frame, or a symbol. The hypotheses
  // that read a symbol are active next.
  void expand(const float* scores, int64_t stride, std::vector<Move>& moves) {
    candidates_.clear();
    double best = kNever;
    for (const Hypothesis& h : done_) best = std::max(best, h.score());
    const double gain = fusion_ == nullptr ? 0.0 : fusion_->gain();
    Hypothesis stays;
    for (size_t i = 0; i < active_.size(); ++i) {
      const Hypothesis& h = active_[i];
      now_.take(scores + static_cast<int64_t>(i) * stride, options_, blank_penalty());
      const double blank = now_.finite() ? now_[options_.blank] : 0.0;
      stays = h;
      stays.total = stays.blank.all = h.total + blank;
      stays.blank.best = h.blank.best + blank;
      const double through = stays.score();
      best = std::max(best, through);
      double fused_best = through;
      const size_t before = candidates_.size();
      for (const int32_t token : now_.tokens) {
        if (!now_.finite() || h.score() + now_[token] + gain < best - options_.margin) break;
        double score = h.score() + now_[token];
        if (fusion_ != nullptr) {
          Context context = h.context;
          score += fusion_->read(context, token);
        }
        if (options_.beam == 1 && score <= fused_best) continue;
        fused_best = std::max(fused_best, score);
        if (options_.beam == 1) candidates_.resize(before);
        best = std::max(best, score);
        candidates_.push_back({score, now_[token], static_cast<int32_t>(i), token});
      }
      // With one hypothesis the better of the two is taken, as greedy search does.
      if (options_.beam > 1 || candidates_.size() == before) finish(stays);
    }
    const auto better = [](const Candidate& a, const Candidate& b) {
      return a.score != b.score ? a.score > b.score : a.from != b.from ? a.from < b.from : a.token < b.token;
    };
    const size_t kept = std::min(candidates_.size(), static_cast<size_t>(options_.beam));
    std::partial_sort(candidates_.begin(), candidates_.begin() + kept, candidates_.end(), better);
    next_.clear();
    const bool ends = ++round_ == options_.expansions;
    int32_t free = 0;
    for (size_t i = 0; i < kept && candidates_[i].score >= best - options_.margin; ++i) {
      const Candidate& c = candidates_[i];
      Hypothesis h = extend(active_[c.from], c.token, c.log_probability);
      while (used_[free] != 0) ++free;
      used_[free] = 1;
      moves.push_back({active_[c.from].slot, free, c.token});
      h.slot = free;
      // After so many symbols a frame ends by itself.
      if (ends) {
        finish(h);
      } else {
        next_.push_back(h);
      }
    }
    active_.swap(next_);
    if (ends) active_.clear();
  }

  const std::vector<Hypothesis>& active() const { return active_; }

  void end_frame() {
    for (const Hypothesis& h : done_) nodes_[h.node].hypothesis = -1;
    keep_best(done_);
    beam_.swap(done_);
    ++frame_;
  }

 private:
  struct Candidate {
    double score, log_probability;
    int32_t from, token;
  };

  // A hypothesis that is through with the frame; one with the same pieces is the same one.
  void finish(const Hypothesis& h) {
    int32_t& at = nodes_[h.node].hypothesis;
    if (at < 0) {
      at = static_cast<int32_t>(done_.size());
      done_.push_back(h);
      return;
    }
    Hypothesis& same = done_[at];
    const double all = log_add(same.total, h.total);
    if (h.blank.best > same.blank.best) same.blank = h.blank;
    same.total = same.blank.all = all;
  }

  Hypothesis extend(const Hypothesis& h, int32_t token, double log_probability) {
    Hypothesis next = h;
    if (fusion_ != nullptr) next.fused += fusion_->read(next.context, token);
    next.total = next.blank.all = h.total + log_probability;
    next.blank.best = h.blank.best + log_probability;
    next.blank.path = link(token, h.blank.path, log_probability);
    next.blank.heard = frame_;
    next.node = child(h.node, token);
    return next;
  }

  Frame now_;
  std::vector<Candidate> candidates_;
  std::vector<Hypothesis> active_, done_, next_;
  std::vector<uint8_t> used_;
  int32_t round_ = 0;
};

}  // namespace wavelane
