// Search in a closed grammar: the best way through the grammar's pieces for what was heard, and nothing else. Every way
// is kept from frame to frame (Viterbi over the product of the grammar and CTC's topology, the token passing of Young et
// al., 1989), so that it is exact but for the margin. How far the best way falls behind what would be heard without the
// grammar says whether the grammar was spoken at all.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "search.h"

namespace wavelane {

// A grammar in pieces: arcs by the node that they lead to.
struct PieceNetwork {
  std::vector<int32_t> source, target, label;
  std::vector<float> weight;
  std::vector<int32_t> first;  // [nodes + 1] arcs into a node
  std::vector<uint8_t> accepts;

  explicit PieceNetwork(const wavelane_network& n) : first(n.nodes + 1, 0), accepts(n.accepts, n.accepts + n.nodes) {
    std::vector<int32_t> order(n.arcs);
    for (int32_t i = 0; i < n.arcs; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return n.target[a] < n.target[b]; });
    for (const int32_t i : order) {
      source.push_back(n.source[i]);
      target.push_back(n.target[i]);
      label.push_back(n.label[i]);
      weight.push_back(n.weight[i]);
      ++first[n.target[i] + 1];
    }
    for (int32_t i = 0; i < n.nodes; ++i) first[i + 1] += first[i];
  }
  int32_t nodes() const { return static_cast<int32_t>(accepts.size()); }
  int32_t arcs() const { return static_cast<int32_t>(label.size()); }
};

class GrammarSearch {
 public:
  GrammarSearch(const PieceNetwork& network, const wavelane_grammar_options& options)
      : net_(network), options_(options), silent_(net_.nodes()), spoken_(net_.arcs()), ends_(net_.nodes()) {
    begin();
  }

  // ``scores`` [length, stride], log-probabilities but for a constant a frame.
  void advance(const float* scores, int64_t stride, int32_t length) {
    for (int32_t t = 0; t < length; ++t) frame(scores + t * stride);
  }

  // After the frames of a step. ``last``: the stream is over.
  void conclude(bool last) {
    ids_.clear();
    frames_.clear();
    confidences_.clear();
    committed_ = alternatives_ = 0;
    const bool settled = heard_ >= 0 && frame_ - 1 - heard_ >= options_.settle;
    say(last || settled);
    tentative_ = static_cast<int32_t>(ids_.size());
    if (last || settled) {
      const int32_t count = tentative_;
      committed_ = count;
      tentative_ = 0;
      counts_ = count;
      alternatives_ = 1;
      for (int32_t i = 0; i < count; ++i) push(ids_[i], frames_[i], confidences_[i]);
      begin();
    } else if (links_.size() > 2 * kept_ + 4096) {
      forget();
    }
  }

  void view(wavelane_search_view& v) const {
    v = {committed_, tentative_, alternatives_, ids_.data(), frames_.data(), confidences_.data(), &counts_, &score_, tentative_ > 0};
  }

 private:
  static constexpr float kNever = -std::numeric_limits<float>::infinity();

  struct Link {
    int32_t label, frame, previous;
    float peak;
  };
  struct Silent {  // behind a piece and a blank
    double score = kNever;
    int32_t link = -1;
    double added = 0;  // to the score on the way, beside log-probabilities
  };
  struct Spoken {  // in a piece
    double score = kNever;
    int32_t link = -1;  // of the piece before
    double added = 0;
    int32_t frame = 0;
    float peak = 0;
  };
  struct End {  // the best pieces into a node: of all, and of those with another label
    double score = kNever, other_score = kNever;
    int32_t label = -1;
    int32_t link = -1, other_link = -1;
    double added = 0, other_added = 0;
  };

  void begin() {
    std::fill(silent_.begin(), silent_.end(), Silent{});
    std::fill(spoken_.begin(), spoken_.end(), Spoken{});
    silent_[0].score = 0;
    links_.clear();
    kept_ = 0;
    free_ = 0;
    heard_ = -1;
    runs_ = 0;
    before_ = options_.blank;
  }

  int32_t link(int32_t arc) {
    const Spoken& s = spoken_[arc];
    links_.push_back({net_.label[arc], s.frame, s.link, s.peak});
    return static_cast<int32_t>(links_.size()) - 1;
  }

  // What has been said where a piece ends.
  void end_pieces() {
    for (int32_t n = 0; n < net_.nodes(); ++n) {
      int32_t best = -1, other = -1;
      for (int32_t a = net_.first[n]; a < net_.first[n + 1]; ++a) {
        if (spoken_[a].score == kNever) continue;
        if (best < 0 || spoken_[a].score > spoken_[best].score) {
          if (best >= 0 && net_.label[a] != net_.label[best]) other = best;
          best = a;
        } else if (net_.label[a] != net_.label[best] && (other < 0 || spoken_[a].score > spoken_[other].score)) {
          other = a;
        }
      }
      End& e = ends_[n];
      e = End{};
      if (best >= 0) {
        e.score = spoken_[best].score;
        e.label = net_.label[best];
        e.link = link(best);
        e.added = spoken_[best].added;
      }
      if (other >= 0) {
        e.other_score = spoken_[other].score;
        e.other_link = link(other);
        e.other_added = spoken_[other].added;
      }
    }
  }

  void frame(const float* scores) {
    float most = scores[0];
    int32_t loudest = 0;
    for (int32_t i = 1; i < options_.symbols; ++i) {
      if (scores[i] > most) most = scores[loudest = i];
    }
    double sum = 0;
    for (int32_t i = 0; i < options_.symbols; ++i) sum += std::exp(scores[i] - most);
    const float norm = most + static_cast<float>(std::log(sum));
    if (!std::isfinite(norm)) {  // the step reports it
      ++frame_;
      return;
    }
    if (loudest != options_.blank) {
      heard_ = frame_;
      if (loudest != before_) ++runs_;
    }
    before_ = loudest;
    const float blank = scores[options_.blank] - norm - options_.blank_penalty;
    free_ += most - norm;
    const float any = most - norm - (loudest == options_.blank ? options_.blank_penalty : options_.garbage_penalty);

    end_pieces();
    double best = kNever;
    for (int32_t a = 0; a < net_.arcs(); ++a) {
      const int32_t label = net_.label[a], n = net_.source[a];
      const End& e = ends_[n];
      const bool repeats = e.label == label;
      const double after = repeats ? e.other_score : e.score;
      const float now = label < 0 ? any : scores[label] - norm, weight = net_.weight[a];
      Spoken& s = spoken_[a];
      const double entered = std::max(after, silent_[n].score);
      if (entered > s.score) {
        const bool direct = after > silent_[n].score;
        s.link = direct ? (repeats ? e.other_link : e.link) : silent_[n].link;
        s.added = (direct ? (repeats ? e.other_added : e.added) : silent_[n].added) + weight;
        s.frame = frame_;
        s.peak = std::exp(now);
        s.score = entered + now + weight;
      } else if (s.score != kNever) {
        s.peak = std::max(s.peak, std::exp(now));
        s.score += now + weight;
        s.added += weight;
      }
      best = std::max(best, s.score);
    }
    for (int32_t n = 0; n < net_.nodes(); ++n) {
      if (ends_[n].score > silent_[n].score) silent_[n] = {ends_[n].score, ends_[n].link, ends_[n].added};
      silent_[n].score += blank;
      silent_[n].added -= options_.blank_penalty;
      best = std::max(best, silent_[n].score);
    }
    const double least = best - options_.margin;
    for (Spoken& s : spoken_) {
      if (s.score < least) s.score = kNever;
    }
    for (Silent& s : silent_) {
      if (s.score < least) s.score = kNever;
    }
    ++frame_;
  }

  // The best way: to where a sentence may end, if it is over; nothing, if it is too far from what was heard.
  void say(bool over) {
    end_pieces();
    double best = kNever;
    double added = 0;
    int32_t at = -1;
    for (int32_t n = 0; n < net_.nodes(); ++n) {
      if (over && net_.accepts[n] == 0) continue;
      if (silent_[n].score > best) {
        best = silent_[n].score;
        at = silent_[n].link;
        added = silent_[n].added;
      }
      if (ends_[n].score > best) {
        best = ends_[n].score;
        at = ends_[n].link;
        added = ends_[n].added;
      }
    }
    best -= added;
    for (; at >= 0; at = links_[at].previous) {
      if (links_[at].label >= 0) push(links_[at].label, links_[at].frame, links_[at].peak);
    }
    std::reverse(ids_.begin(), ids_.end());
    std::reverse(frames_.begin(), frames_.end());
    std::reverse(confidences_.begin(), confidences_.end());
    // For each piece of the one and of the other, whichever are more.
    const int32_t pieces = std::max({static_cast<int32_t>(ids_.size()), runs_, 1});
    score_ = best == kNever ? -std::numeric_limits<double>::max() : std::min(0.0, (best - free_) / pieces);
    if (over && score_ < options_.least) {
      ids_.clear();
      frames_.clear();
      confidences_.clear();
    }
  }

  void push(int32_t id, int32_t frame, float confidence) {
    ids_.push_back(id);
    frames_.push_back(frame);
    confidences_.push_back(confidence);
  }

  // Drop the links that no way uses any more.
  void forget() {
    std::vector<int32_t> moved(links_.size(), -1);
    const auto mark = [&](int32_t i) {
      for (; i >= 0 && moved[i] < 0; i = links_[i].previous) moved[i] = 0;
    };
    for (const Spoken& s : spoken_) {
      if (s.score != kNever) mark(s.link);
    }
    for (const Silent& s : silent_) {
      if (s.score != kNever) mark(s.link);
    }
    int32_t kept = 0;
    for (size_t i = 0; i < links_.size(); ++i) {
      if (moved[i] < 0) continue;
      Link l = links_[i];
      if (l.previous >= 0) l.previous = moved[l.previous];  // older links come first
      moved[i] = kept;
      links_[kept++] = l;
    }
    links_.resize(kept);
    for (Spoken& s : spoken_) s.link = s.score != kNever && s.link >= 0 ? moved[s.link] : -1;
    for (Silent& s : silent_) s.link = s.score != kNever && s.link >= 0 ? moved[s.link] : -1;
    kept_ = links_.size();
  }

  const PieceNetwork& net_;
  const wavelane_grammar_options options_;
  std::vector<Silent> silent_;
  std::vector<Spoken> spoken_;
  std::vector<End> ends_;
  std::vector<Link> links_;
  size_t kept_ = 0;
  double free_ = 0;      // score of what would be heard without the grammar
  int32_t frame_ = 0;    // since the start of the stream
  int32_t heard_ = -1;   // newest frame that is no blank, of this segment
  int32_t runs_ = 0;     // pieces that would be heard without the grammar
  int32_t before_ = -1;
  std::vector<int32_t> ids_, frames_;
  std::vector<float> confidences_;
  int32_t committed_ = 0, tentative_ = 0, alternatives_ = 0, counts_ = 0;
  double score_ = 0;
};

}  // namespace wavelane
