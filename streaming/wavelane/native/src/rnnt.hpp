// Greedy RNN-T as wavelane.decode.rnnt has it, by frame: every row walks its own frames, rows share the products.
#pragma once

#include "best.hpp"

namespace wavelane {

enum class Activation { relu, tanh, sigmoid };

template <bool Exact>
inline Floats hyperbolic_tangent(Floats x) {
  const Floats two = _mm512_set1_ps(2.0f);
  return _mm512_fmsub_ps(two, sigmoid<Exact>(_mm512_mul_ps(two, x)), _mm512_set1_ps(1.0f));
}

template <class P>
class Rnnt {
 public:
  static constexpr bool kExact = P::kExact;

  int symbols = 0, blank = 0, hidden = 0, layers = 0, joint = 0, max_symbols = 0;
  Activation activation = Activation::relu;
  Packed<P> encoder, prediction, out;

  void load_embedding(const float* data) { embedding_.assign(data, data + static_cast<size_t>(symbols) * hidden); }
  void load_lstm(int layer, const float* weight, const float* bias) {  // [4 hidden, 2 hidden]
    lstm_.resize(layers);
    lstm_[layer].pack(weight, bias, 4 * hidden, 2 * hidden);
  }

  // Floats of a lane: hidden and cell of every layer, and what the prediction network gives to the joint network.
  long state_size() const { return 2L * layers * hidden + joint; }

  struct Scratch {
    Operand<P> frames, joined, inputs, predicted;
    Buffer<float> projected, line, scores, gates, fresh;
    std::vector<int> active, emits, symbols, frame, in_frame;
  };

  // The state of a stream that has heard nothing: the prediction network has read the blank.
  void reset(float* state) const { std::memcpy(state, fresh_.get(), sizeof(float) * state_size()); }
  // After everything is loaded.
  void ready() {
    fresh_.reserve(state_size());
    Scratch s;
    float* states[1] = {fresh_.get()};
    s.emits = {0};
    s.symbols = {blank};
    predict(states, s);
  }

  // New pieces of every row.
  //
  // ``x`` [rows * size, stride] encoder frames; ``lengths`` [rows] of them that are valid; ``states`` [rows]; ``to`` room
  // for size * max_symbols pieces a row.
  template <class Length>
  void decode(const float* x, int rows, int size, long stride, int d_model, const Length& length, float* const* states,
              const Pieces* to, Scratch& s) const {
    const int frames = rows * size;
    s.frames.shape(frames, d_model);
    for (int r = 0; r < frames; ++r) s.frames.set(r, x + r * stride, d_model);
    const long line = round_up(joint, kLanes);
    float* projected = s.projected.reserve(static_cast<size_t>(frames) * line);
    product<P>(s.frames, frames, encoder, store(projected, line, joint, [](Floats y) { return y; }));
    s.frame.assign(rows, 0);
    s.in_frame.assign(rows, 0);
    s.symbols.resize(rows);
    for (int row = 0; row < rows; ++row) *to[row].count = 0;
    const long wide = round_up(symbols, kLanes);
    for (;;) {
      s.active.clear();
      for (int row = 0; row < rows; ++row) {
        if (s.frame[row] < length(row)) s.active.push_back(row);
      }
      if (s.active.empty()) return;
      const int count = static_cast<int>(s.active.size());
      const float* scores = join(
          count, [&](int i) { return static_cast<long>(s.active[i]) * size + s.frame[s.active[i]]; },
          [&](int i) { return states[s.active[i]]; }, s);
      s.emits.clear();
      for (int i = 0; i < count; ++i) {
        const int row = s.active[i];
        int id;
        float probability;
        best_symbol<kExact>(scores + i * wide, symbols, id, probability);
        bool on = true;
        // Scores that are no numbers have no best one: the row walks to its end.
        if (id != blank && id >= 0 && id < symbols) {
          const int n = (*to[row].count)++;
          to[row].ids[n] = id;
          to[row].frames[n] = s.frame[row];
          to[row].confidences[n] = probability;
          s.emits.push_back(row);
          s.symbols[row] = id;
          on = ++s.in_frame[row] >= max_symbols;
        }
        if (on) {
          ++s.frame[row];
          s.in_frame[row] = 0;
        }
      }
      predict(states, s);
    }
  }

  // Scores [count, round_up(symbols)] of frames, by their number in the last decode(), joined with states.
  template <class FrameOf, class StateOf>
  const float* join(int count, const FrameOf& frame, const StateOf& state, Scratch& s) const {
    const long line = round_up(joint, kLanes), wide = round_up(symbols, kLanes);
    float* joined = s.line.reserve(line);
    s.joined.shape(count, joint);
    for (int i = 0; i < count; ++i) {
      const float* a = s.projected.get() + frame(i) * line;
      const float* b = state(i) + 2L * layers * hidden;
      for (int c = 0; c < joint; c += kLanes) {
        const __mmask16 lanes = first_lanes(joint - c);
        _mm512_storeu_ps(joined + c, act(_mm512_add_ps(_mm512_loadu_ps(a + c), _mm512_maskz_loadu_ps(lanes, b + c))));
      }
      s.joined.set(i, joined, joint);
    }
    float* scores = s.scores.reserve(static_cast<size_t>(count) * wide);
    product<P>(s.joined, count, out, store(scores, wide, symbols, [](Floats y) { return y; }));
    return scores;
  }

  // Each state reads a symbol.
  void read(int count, const int32_t* ids, float* const* states, Scratch& s) const {
    s.symbols.assign(ids, ids + count);
    s.emits.resize(count);
    for (int i = 0; i < count; ++i) s.emits[i] = i;
    predict(states, s);
  }

 private:
  Floats act(Floats x) const {
    switch (activation) {
      case Activation::tanh: return hyperbolic_tangent<kExact>(x);
      case Activation::sigmoid: return sigmoid<kExact>(x);
      default: return _mm512_max_ps(_mm512_setzero_ps(), x);
    }
  }

  // The rows that emitted read their symbol.
  void predict(float* const* states, Scratch& s) const {
    const int count = static_cast<int>(s.emits.size());
    if (count == 0) return;
    const long wide = round_up(4 * hidden, kLanes);
    float* gates = s.gates.reserve(static_cast<size_t>(count) * wide + 4 * kLanes);
    float* line = s.fresh.reserve(2L * hidden + kLanes);
    for (int layer = 0; layer < layers; ++layer) {
      s.inputs.shape(count, 2 * hidden);
      for (int i = 0; i < count; ++i) {
        const int row = s.emits[i];
        const float* from = layer == 0 ? embedding_.data() + static_cast<size_t>(s.symbols[row]) * hidden
                                       : states[row] + (2L * layer - 2) * hidden;
        std::memcpy(line, from, sizeof(float) * hidden);
        std::memcpy(line + hidden, states[row] + 2L * layer * hidden, sizeof(float) * hidden);
        s.inputs.set(i, line, 2 * hidden);
      }
      product<P>(s.inputs, count, lstm_[layer], store(gates, wide, 4 * hidden, [](Floats y) { return y; }));
      for (int i = 0; i < count; ++i) {
        const float* g = gates + i * wide;
        float* h = states[s.emits[i]] + 2L * layer * hidden;
        float* cell = h + hidden;
        for (int c = 0; c < hidden; c += kLanes) {
          const __mmask16 lanes = first_lanes(hidden - c);
          const Floats entry = sigmoid<kExact>(_mm512_maskz_loadu_ps(lanes, g + c));
          const Floats forget = sigmoid<kExact>(_mm512_maskz_loadu_ps(lanes, g + hidden + c));
          const Floats candidate = hyperbolic_tangent<kExact>(_mm512_maskz_loadu_ps(lanes, g + 2 * hidden + c));
          const Floats output = sigmoid<kExact>(_mm512_maskz_loadu_ps(lanes, g + 3 * hidden + c));
          const Floats next = _mm512_fmadd_ps(forget, _mm512_maskz_loadu_ps(lanes, cell + c), _mm512_mul_ps(entry, candidate));
          _mm512_mask_storeu_ps(cell + c, lanes, next);
          _mm512_mask_storeu_ps(h + c, lanes, _mm512_mul_ps(output, hyperbolic_tangent<kExact>(next)));
        }
      }
    }
    s.predicted.shape(count, hidden);
    for (int i = 0; i < count; ++i) s.predicted.set(i, states[s.emits[i]] + (2L * layers - 2) * hidden, hidden);
    const long line_out = round_up(joint, kLanes);
    float* predictions = s.gates.reserve(static_cast<size_t>(count) * line_out);
    product<P>(s.predicted, count, prediction, store(predictions, line_out, joint, [](Floats y) { return y; }));
    for (int i = 0; i < count; ++i) {
      std::memcpy(states[s.emits[i]] + 2L * layers * hidden, predictions + i * line_out, sizeof(float) * joint);
    }
  }

  std::vector<float> embedding_;
  std::vector<Packed<P>> lstm_;
  Buffer<float> fresh_;
};

}  // namespace wavelane
