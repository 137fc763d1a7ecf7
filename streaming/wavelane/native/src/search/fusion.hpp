// What is added to the acoustic score of a hypothesis: weights of back-off graphs over its pieces and over its words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "search.h"

namespace wavelane {

// Graphs that one session may have: language model and hotwords, of the server and its own.
constexpr int kMostGraphs = 8;

// Text of the model's pieces.
struct PieceTexts {
  std::vector<uint8_t> bytes;
  std::vector<int64_t> offsets;
  std::vector<uint8_t> opens;
  int count() const { return static_cast<int>(opens.size()); }
};

// Where a hypothesis stands in every graph, and in the word that is being said.
struct Context {
  int32_t states[kMostGraphs];
  uint64_t hash;  // of the word so far
  bool word;      // there is one
};

class Fusion {
 public:
  Fusion(const PieceTexts& pieces, int count, const wavelane_graph* graphs, float word_bonus, float blank_penalty)
      : pieces_(pieces), graphs_(graphs, graphs + count), word_bonus_(word_bonus), blank_penalty_(blank_penalty) {
    double gain = std::max(word_bonus, 0.0f);
    for (const wavelane_graph& g : graphs_) {
      float most = std::max(0.0f, g.unknown);
      for (int64_t i = 0; i < g.first[g.states]; ++i) most = std::max(most, g.weights[i]);
      gain += most * g.scale;
      any_words_ |= g.words != 0;
    }
    gain_ = gain;
  }

  Context begin() const {
    Context context{};
    for (size_t i = 0; i < graphs_.size(); ++i) context.states[i] = graphs_[i].start;
    context.hash = kBasis;
    return context;
  }

  // Whether both add the same to whatever follows.
  bool alike(const Context& a, const Context& b) const {
    return a.word == b.word && (!any_words_ || a.hash == b.hash) && std::equal(a.states, a.states + graphs_.size(), b.states);
  }

  // No piece adds more, but for back-off weights above zero.
  double gain() const { return gain_; }

  double blank_penalty() const { return blank_penalty_; }

  // A hypothesis goes on with a piece.
  double read(Context& context, int32_t piece) const {
    double added = 0;
    const bool opens = piece < pieces_.count() && (pieces_.opens[piece] != 0 || !context.word);
    if (opens) {
      if (any_words_ && context.word) added += complete(context);
      context.hash = kBasis;
      context.word = true;
      added += word_bonus_;
    }
    if (any_words_ && piece < pieces_.count()) {
      for (int64_t i = pieces_.offsets[piece]; i < pieces_.offsets[piece + 1]; ++i) {
        context.hash = (context.hash ^ pieces_.bytes[i]) * kPrime;
      }
    }
    for (size_t i = 0; i < graphs_.size(); ++i) {
      if (graphs_[i].words == 0) added += graphs_[i].scale * walk(graphs_[i], context.states[i], piece);
    }
    return added;
  }

  // What is added where a segment ends: its last word is complete. ``final``: so is the utterance.
  double ending(Context context, bool final) const {
    double added = any_words_ && context.word ? complete(context) : 0.0;
    if (final) {
      for (size_t i = 0; i < graphs_.size(); ++i) added += graphs_[i].scale * graphs_[i].final[context.states[i]];
    }
    return added;
  }

 private:
  static constexpr uint64_t kBasis = 0xCBF29CE484222325u, kPrime = 0x100000001B3u;  // FNV-1a

  double complete(Context& context) const {
    double added = 0;
    for (size_t i = 0; i < graphs_.size(); ++i) {
      const wavelane_graph& g = graphs_[i];
      if (g.words == 0) continue;
      const uint64_t* end = g.hashes + g.lexicon_size;
      const uint64_t* at = std::lower_bound(g.hashes, end, context.hash);
      added += g.scale * walk(g, context.states[i], at != end && *at == context.hash ? g.ids[at - g.hashes] : -1);
    }
    return added;
  }

  static double walk(const wavelane_graph& g, int32_t& state, int32_t label) {
    double weight = 0;
    for (;;) {
      const int32_t* begin = g.labels + g.first[state];
      const int32_t* end = g.labels + g.first[state + 1];
      const int32_t* at = std::lower_bound(begin, end, label);
      if (at != end && *at == label) {
        weight += g.weights[at - g.labels];
        state = g.targets[at - g.labels];
        return weight;
      }
      if (g.backoff[state] < 0) {
        state = 0;
        return weight + g.unknown;
      }
      weight += g.backoff_weight[state];
      state = g.backoff[state];
    }
  }

  const PieceTexts& pieces_;
  std::vector<wavelane_graph> graphs_;
  float word_bonus_, blank_penalty_;
  double gain_ = 0;
  bool any_words_ = false;
};

}  // namespace wavelane
