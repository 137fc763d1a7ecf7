// What decoders make of scores.
#pragma once

#include "product.hpp"

namespace wavelane {

// New pieces of one row, as many as it has room for.
struct Pieces {
  int32_t* ids;
  int32_t* frames;     // within this step
  float* confidences;
  int32_t* count;
};

// The best of the scores of all symbols, the first of equals, and its probability.
template <bool Exact>
inline void best_symbol(const float* scores, int symbols, int& id, float& probability) {
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
    const Floats e = exponential<Exact>(_mm512_sub_ps(_mm512_loadu_ps(scores + c), tops));
    sum = _mm512_mask_add_ps(sum, first_lanes(symbols - c), sum, e);
  }
  probability = 1.0f / _mm512_reduce_add_ps(sum);
}

}  // namespace wavelane
