// Language prompt: an MLP over encoder frames, to whose inner layer every prompt adds a line of a table.
#pragma once

#include "product.hpp"

namespace wavelane {

template <class P>
class Prompt {
 public:
  int hidden = 0, d_model = 0, count = 0;
  Packed<P> inner, outer;

  struct Scratch {
    Operand<P> rows, wide;
    Buffer<float> line;
  };

  void load_table(const float* data) { table_.assign(data, data + static_cast<size_t>(count) * hidden); }

  // ``x`` [rows * size, stride] is changed in place; ``prompts`` [rows].
  void apply(float* x, int rows, int size, long stride, const int32_t* prompts, Scratch& s) const {
    const int frames = rows * size;
    const long wide = round_up(hidden, kLanes);
    s.rows.shape(frames, d_model);
    for (int r = 0; r < frames; ++r) s.rows.set(r, x + r * stride, d_model);
    float* lines = s.line.reserve(static_cast<size_t>(frames) * wide);
    product<P>(s.rows, frames, inner, store(lines, wide, hidden, [](Floats y) { return y; }));
    s.wide.shape(frames, hidden);
    for (int r = 0; r < frames; ++r) {
      const float* add = table_.data() + static_cast<size_t>(prompts[r / size]) * hidden;
      for (int c = 0; c < hidden; c += kLanes) {
        const Floats y = _mm512_add_ps(_mm512_loadu_ps(lines + r * wide + c), _mm512_maskz_loadu_ps(first_lanes(hidden - c), add + c));
        _mm512_storeu_ps(lines + r * wide + c, _mm512_max_ps(_mm512_setzero_ps(), y));
      }
      s.wide.set(r, lines + r * wide, hidden);
    }
    product<P>(s.wide, frames, outer, store(x, stride, d_model, [](Floats y) { return y; }));
  }

 private:
  std::vector<float> table_;
};

}  // namespace wavelane
