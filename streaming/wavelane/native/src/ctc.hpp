// Greedy CTC as wavelane.decode.ctc has it: the best symbol of each frame, runs collapsed, blanks dropped.
#pragma once

#include "product.hpp"

namespace wavelane {

struct Pieces {
  int32_t* ids;         // [chunk]
  int32_t* frames;      // [chunk], within this step
  float* confidences;   // [chunk]
  int32_t* count;
};

template <class P>
class Ctc {
 public:
  int symbols = 0, blank = 0;
  Packed<P> head;

  struct Scratch {
    Operand<P> rows;
    Buffer<float> scores;
  };

  // Frames [frames, stride] to their scores, which decode() reads.
  void score(const float* x, int frames, long stride, int d_model, Scratch& s) const {
    s.rows.shape(frames, d_model);
    for (int r = 0; r < frames; ++r) s.rows.set(r, x + r * stride, d_model);
    float* scores = s.scores.reserve(static_cast<size_t>(frames) * line());
    product<P>(s.rows, frames, head, store(scores, line(), symbols, [](Floats y) { return y; }));
  }

  // New pieces of one row: the ``length`` frames from ``first`` on; ``last`` is the symbol of the frame before them.
  void decode(int first, int length, int32_t& last, const Pieces& to, const Scratch& s) const {
    int count = 0, previous = last;
    bool emits = false;
    for (int t = 0; t < length; ++t) {
      int id;
      float probability;
      best(s.scores.get() + (first + t) * line(), id, probability);
      if (id != previous) {
        emits = id != blank;
        if (emits) {
          to.ids[count] = id;
          to.frames[count] = t;
          to.confidences[count++] = probability;
        }
      } else if (emits) {
        // The run goes on: its confidence is the highest of its frames in this step.
        to.confidences[count - 1] = std::max(to.confidences[count - 1], probability);
      }
      previous = id;
    }
    last = previous;
    *to.count = count;
  }

 private:
  long line() const { return round_up(symbols, kLanes); }

  void best(const float* scores, int& id, float& probability) const {
    Floats peak = _mm512_set1_ps(-INFINITY);
    Words where = _mm512_setzero_si512();
    Words index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int c = 0; c < symbols; c += kLanes) {
      const Floats x = _mm512_loadu_ps(scores + c);
      const __mmask16 better = _mm512_mask_cmp_ps_mask(first_lanes(symbols - c), x, peak, _CMP_GT_OQ);
      peak = _mm512_mask_mov_ps(peak, better, x);
      where = _mm512_mask_mov_epi32(where, better, index);
      index = _mm512_add_epi32(index, _mm512_set1_epi32(kLanes));
    }
    const float top = _mm512_reduce_max_ps(peak);
    const Floats tops = _mm512_set1_ps(top);
    id = _mm512_mask_reduce_min_epi32(_mm512_cmp_ps_mask(peak, tops, _CMP_EQ_OQ), where);
    Floats sum = _mm512_setzero_ps();
    for (int c = 0; c < symbols; c += kLanes) {
      const Floats e = exponential<P::kExact>(_mm512_sub_ps(_mm512_loadu_ps(scores + c), tops));
      sum = _mm512_mask_add_ps(sum, first_lanes(symbols - c), sum, e);
    }
    probability = 1.0f / _mm512_reduce_add_ps(sum);
  }
};

}  // namespace wavelane
