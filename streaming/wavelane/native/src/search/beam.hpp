// What every beam search here shares: hypotheses as nodes of one tree of prefixes, the frames at which their pieces were
// said, and what may be told of them: the pieces that all agree on, those of the best one, and where a segment ends the
// best few.
#pragma once

#include <cmath>
#include <limits>

#include "frame.hpp"
#include "fusion.hpp"

namespace wavelane {

constexpr double kNever = -std::numeric_limits<double>::infinity();

inline double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNever ? a : a + std::log1p(std::exp(b - a));
}

struct Piece {
  int32_t id, frame;
  float confidence;
};

// A prefix that was tried, behind the root, which is what is committed already.
struct Node {
  int32_t token, parent, child, sibling;
  int32_t depth;
  int32_t hypothesis;  // its place among those in hand, -1: none
};

// A piece on some alignment.
struct Link {
  int32_t token, frame, previous;
  float confidence;
};

// The alignments of one prefix that end in a blank, or in its last symbol.
struct Ending {
  double all = kNever;   // log of the sum of their probabilities
  double best = kNever;  // of the best one alone
  int32_t path = -1;     // its pieces
  int32_t heard = -1;    // its newest frame that is no blank
};

struct Hypothesis {
  int32_t node = 0;
  Ending blank, symbol;  // RNN-T has only the first
  double total = 0;      // of both
  double fused = 0;      // what is added to its score
  Context context{};
  int32_t slot = 0;      // RNN-T

  double score() const { return total + fused; }
  const Ending& likelier() const { return blank.best >= symbol.best ? blank : symbol; }
};

class Beam {
 public:
  Beam(const wavelane_search_options& options, const Fusion* fusion) : options_(options), fusion_(fusion) {
    nodes_.push_back({-1, -1, -1, -1, 0, -1});
    Hypothesis first;
    first.blank.all = first.blank.best = 0;
    if (fusion != nullptr) first.context = fusion->begin();
    beam_.push_back(first);
  }
  virtual ~Beam() = default;

  // After the frames of a step. ``last``: the stream is over.
  void conclude(bool last) {
    pieces_.clear();
    counts_.clear();
    scores_.clear();
    const int32_t quiet = frame_ - 1 - beam_[0].likelier().heard;
    if (last || quiet >= options_.settle) {
      settle(last);
    } else {
      commit(agreed());
      give_up_old();
      committed_ = static_cast<int32_t>(pieces_.size());
      say(beam_[0]);
      tentative_ = static_cast<int32_t>(pieces_.size()) - committed_;
    }
    forget();
    ids_.clear();
    frames_.clear();
    confidences_.clear();
    for (const Piece& piece : pieces_) {
      ids_.push_back(piece.id);
      frames_.push_back(piece.frame);
      confidences_.push_back(piece.confidence);
    }
  }

  void view(wavelane_search_view& to) const {
    to = {committed_, tentative_, static_cast<int32_t>(counts_.size()), ids_.data(), frames_.data(),
          confidences_.data(), counts_.data(), scores_.data(), options_.beam > 1 && (said_ || tentative_ > 0)};
  }

 protected:
  double blank_penalty() const { return fusion_ == nullptr ? 0.0 : fusion_->blank_penalty(); }

  // The child of a prefix, made if it is new.
  int32_t child(int32_t parent, int32_t token) {
    for (int32_t at = nodes_[parent].child; at >= 0; at = nodes_[at].sibling) {
      if (nodes_[at].token == token) return at;
    }
    const int32_t made = static_cast<int32_t>(nodes_.size());
    nodes_.push_back({token, parent, -1, nodes_[parent].child, nodes_[parent].depth + 1, -1});
    nodes_[parent].child = made;
    return made;
  }

  int32_t link(int32_t token, int32_t previous, double log_probability) {
    links_.push_back({token, frame_, previous, static_cast<float>(std::exp(log_probability))});
    return static_cast<int32_t>(links_.size()) - 1;
  }

  // The order of hypotheses: by score, and by age where equal.
  void keep_best(std::vector<Hypothesis>& all) const {
    std::stable_sort(all.begin(), all.end(), [](const Hypothesis& a, const Hypothesis& b) { return a.score() > b.score(); });
    if (static_cast<int>(all.size()) > options_.beam) all.resize(options_.beam);
    while (all.back().score() < all[0].score() - options_.margin) all.pop_back();
  }

  wavelane_search_options options_;
  const Fusion* fusion_;
  std::vector<Hypothesis> beam_;  // the best first
  std::vector<Node> nodes_;       // [0] is the root
  std::vector<Link> links_;
  int32_t frame_ = 0;             // since the start of the stream

 private:
  // The best hypothesis stands, and is all that is left.
  void settle(bool last) {
    if (fusion_ != nullptr) {
      // For the order alone: the word in progress may go on if the utterance does.
      for (Hypothesis& h : beam_) h.fused += fusion_->ending(h.context, last);
      keep_best(beam_);
    }
    const Hypothesis best = beam_[0];
    said_ |= nodes_[best.node].depth > 0;
    if (last || said_) {
      const int wanted = std::min(options_.alternatives, static_cast<int>(beam_.size()));
      say(best);
      committed_ = static_cast<int32_t>(pieces_.size());
      for (int i = 0; i < wanted; ++i) {
        const size_t before = pieces_.size();
        say(beam_[i]);
        counts_.push_back(static_cast<int32_t>(pieces_.size() - before));
        scores_.push_back(beam_[i].score());
      }
      for (int32_t i = 0; i < committed_; ++i) newest_ = std::max(newest_, pieces_[i].frame);
    } else {
      committed_ = 0;
    }
    tentative_ = 0;
    said_ = false;
    root_ = best.node;
    beam_.assign(1, best);
    Hypothesis& left = beam_[0];
    for (Ending* ending : {&left.blank, &left.symbol}) {
      ending->all -= left.total;
      ending->best -= left.total;
      ending->heard = frame_ - 1;
    }
    left.total = left.fused = 0;
  }

  // The longest prefix of all hypotheses.
  int32_t agreed() const {
    int32_t common = beam_[0].node;
    for (size_t i = 1; i < beam_.size(); ++i) {
      int32_t other = beam_[i].node;
      while (common != other) {
        int32_t& deeper = nodes_[common].depth > nodes_[other].depth ? common : other;
        deeper = nodes_[deeper].parent;
      }
    }
    return common;
  }

  // The best hypothesis's pieces up to a node are told for good.
  void commit(int32_t node) {
    if (nodes_[node].depth == nodes_[root_].depth) return;
    say(beam_[0], nodes_[node].depth);
    // Another hypothesis may have said later what is committed: times only ever go on.
    newest_ = std::max(newest_, pieces_.back().frame);
    root_ = node;
    said_ = true;
  }

  // What the best hypothesis said long ago is believed, and who disagrees is dropped.
  void give_up_old() {
    const int32_t before = frame_ - options_.patience;
    int32_t at = beam_[0].node;
    for (int32_t path = beam_[0].likelier().path; at != root_ && links_[path].frame >= before; path = links_[path].previous) {
      at = nodes_[at].parent;
    }
    if (at == root_) return;
    const auto differs = [&](const Hypothesis& h) {
      int32_t node = h.node;
      while (nodes_[node].depth > nodes_[at].depth) node = nodes_[node].parent;
      return node != at;
    };
    beam_.erase(std::remove_if(beam_.begin(), beam_.end(), differs), beam_.end());
    commit(agreed());
  }

  // Appends the pieces of a hypothesis behind the root, up to a depth, to what is told.
  void say(const Hypothesis& h, int32_t to = std::numeric_limits<int32_t>::max()) {
    const int32_t from = nodes_[root_].depth, depth = nodes_[h.node].depth;
    const size_t begin = pieces_.size();
    int32_t path = h.likelier().path;
    for (int32_t at = depth; at > from; --at, path = links_[path].previous) {
      if (at <= to) pieces_.push_back({links_[path].token, std::max(newest_, links_[path].frame), links_[path].confidence});
    }
    std::reverse(pieces_.begin() + begin, pieces_.end());
  }

  // Drops nodes and links that no hypothesis needs; the root becomes node 0.
  void forget() {
    const int32_t base = nodes_[root_].depth;
    map_.assign(nodes_.size(), -1);
    map_[root_] = 0;
    for (const Hypothesis& h : beam_) {
      for (int32_t at = h.node; map_[at] < 0; at = nodes_[at].parent) map_[at] = 0;
    }
    std::vector<Node>& nodes = spare_nodes_;
    nodes.clear();
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (map_[i] < 0) continue;
      map_[i] = static_cast<int32_t>(nodes.size());
      const Node& old = nodes_[i];
      const bool is_root = static_cast<int32_t>(i) == root_;
      const int32_t parent = is_root ? -1 : map_[old.parent];
      nodes.push_back({old.token, parent, -1, is_root ? -1 : nodes[parent].child, old.depth - base, -1});
      if (!is_root) nodes[parent].child = map_[i];
    }
    for (Hypothesis& h : beam_) h.node = map_[h.node];
    nodes_.swap(nodes);
    root_ = 0;

    map_.assign(links_.size(), -1);
    for (Hypothesis& h : beam_) {
      for (Ending* ending : {&h.blank, &h.symbol}) {
        int32_t at = ending->path;
        for (int32_t left = nodes_[h.node].depth; left > 0 && at >= 0 && map_[at] < 0; --left, at = links_[at].previous) map_[at] = 0;
        if (nodes_[h.node].depth == 0) ending->path = -1;
      }
    }
    int32_t kept = 0;
    for (size_t i = 0; i < links_.size(); ++i) {
      if (map_[i] < 0) continue;
      map_[i] = kept;
      Link moved = links_[i];
      moved.previous = moved.previous < 0 ? -1 : map_[moved.previous];
      links_[kept++] = moved;
    }
    links_.resize(kept);
    for (Hypothesis& h : beam_) {
      for (Ending* ending : {&h.blank, &h.symbol}) ending->path = ending->path < 0 ? -1 : map_[ending->path];
    }
  }

  int32_t root_ = 0;
  int32_t newest_ = 0;  // frame of the newest committed piece
  bool said_ = false;   // a piece of this segment is committed
  int32_t committed_ = 0, tentative_ = 0;
  std::vector<Piece> pieces_;
  std::vector<int32_t> counts_, ids_, frames_, map_;
  std::vector<float> confidences_;
  std::vector<double> scores_;
  std::vector<Node> spare_nodes_;
};

}  // namespace wavelane
