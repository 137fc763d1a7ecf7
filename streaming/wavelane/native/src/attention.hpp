// Attention of one head over a lane's cache of projected keys and values, in place.
//
// A lane keeps keys and values of the last frames in a strip of ``capacity`` positions, of which the window
// begin .. begin + count is alive. New frames go behind it; when the strip is full the window moves to its front, so
// that most steps move nothing. Keys lie [capacity / 16, width groups, 16] and values [capacity groups, width]: either
// product reads whole vectors of it, in the order in which they lie.
#pragma once

#include "product.hpp"

namespace wavelane {

// Rows x NV vectors of a product of ``rows`` short rows with a matrix in memory.
template <class P, int MR, int NV>
inline void strip_tile(const Group* a, long a_stride, const Group* b, long b_stride, long next, int groups, float* to,
                       long to_stride) {
  typename P::Sum sum[MR][NV];
  dot_tile<P, MR, NV>(a, a_stride, b, b_stride, next, groups, sum);
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) _mm512_storeu_ps(to + r * to_stride + v * kLanes, sum[r][v]);
  }
}

template <class P, int MR>
__attribute__((noinline)) void strip_rows(const Group* a, long a_stride, const Group* b, long b_stride, long next, int groups,
                                          int vectors, float* to, long to_stride) {
  // As many sums as hide the instruction's latency and fit the registers.
  constexpr int kMost = MR <= 2 ? 6 : MR <= 4 ? 4 : 3;
  while (vectors > 0) {
    const int n = vectors < kMost ? vectors : kMost;
    switch (n) {
      case 1: strip_tile<P, MR, 1>(a, a_stride, b, b_stride, next, groups, to, to_stride); break;
      case 2: strip_tile<P, MR, 2>(a, a_stride, b, b_stride, next, groups, to, to_stride); break;
      case 3: strip_tile<P, MR, 3>(a, a_stride, b, b_stride, next, groups, to, to_stride); break;
      case 4:
        if constexpr (kMost >= 4) strip_tile<P, MR, 4>(a, a_stride, b, b_stride, next, groups, to, to_stride);
        break;
      case 5:
        if constexpr (kMost >= 6) strip_tile<P, MR, 5>(a, a_stride, b, b_stride, next, groups, to, to_stride);
        break;
      default:
        if constexpr (kMost >= 6) strip_tile<P, MR, 6>(a, a_stride, b, b_stride, next, groups, to, to_stride);
        break;
    }
    vectors -= n;
    b += n * next;
    to += n * kLanes;
  }
}

// to[rows, vectors * 16] = a[rows, groups] times b[groups, vectors * 16], whose vectors lie ``next`` groups apart
template <class P>
inline void strip_product(const Group* a, long a_stride, int rows, const Group* b, long b_stride, long next, int groups,
                          int vectors, float* to, long to_stride) {
  while (rows > 0) {
    const int n = rows < 7 ? rows : 7;
    switch (n) {
      case 1: strip_rows<P, 1>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      case 2: strip_rows<P, 2>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      case 3: strip_rows<P, 3>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      case 4: strip_rows<P, 4>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      case 5: strip_rows<P, 5>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      case 6: strip_rows<P, 6>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
      default: strip_rows<P, 7>(a, a_stride, b, b_stride, next, groups, vectors, to, to_stride); break;
    }
    rows -= n;
    a += n * a_stride;
    to += n * to_stride;
  }
}

// What a lane's window is in this step; the same for all layers.
struct Window {
  int begin;   // position of the oldest cached frame
  int cached;  // frames before the chunk
  int length;  // frames of the chunk that are in the stream
};

template <class P>
class Attention {
 public:
  int heads = 0, width = 0 /* of a head, a multiple of 16 */, left = 0, capacity = 0;

  long key_groups() const { return static_cast<long>(heads) * (width / P::kPerGroup) * capacity; }
  long value_groups() const { return static_cast<long>(heads) * (capacity / P::kPerGroup) * width; }

  struct Scratch {
    Buffer<Group> query, positional, weights;
    Buffer<float> scores, distances, shares;
  };

  // Where a window that ends at ``end`` has to begin for ``chunk`` more frames to fit; moved says whether it moves.
  bool full(int end, int chunk) const { return end + chunk > capacity; }
  // The window moves by whole vectors of keys.
  int moved(int begin) const { return begin % kLanes; }

  void move(Group* keys, Group* values, int begin, int count) const {
    const int shift = begin - moved(begin), size = round_up(moved(begin) + count, kLanes);
    const long wg = width / P::kPerGroup, each = capacity / P::kPerGroup * static_cast<long>(width);
    for (int h = 0; h < heads; ++h) {
      std::memmove(keys + h * wg * capacity, keys + h * wg * capacity + shift * wg, sizeof(Group) * size * wg);
      std::memmove(values + h * each, values + h * each + shift * wg, sizeof(Group) * size * wg);
    }
  }

  // Frames ``key`` and ``value`` [chunk, stride] (heads * width of each row are read) behind position ``at``.
  void append(const float* key, const float* value, long stride, int chunk, int at, Group* keys, Group* values) const {
    const int wg = width / P::kPerGroup;
    alignas(64) Group line[kLanes];
    for (int t = 0; t < chunk; ++t) {
      const int position = at + t;
      for (int h = 0; h < heads; ++h) {
        Group* column = keys + (static_cast<long>(h) * capacity + position / kLanes * kLanes) * wg + position % kLanes;
        for (int c = 0; c < width; c += kLanes) {
          P::store(line, _mm512_loadu_ps(key + t * stride + h * width + c));
          for (int i = 0; i < kLanes / P::kPerGroup; ++i, column += kLanes) *column = line[i];
        }
      }
      for (int h = 0; h < heads; ++h) {
        Group* to = values + (static_cast<long>(h) * (capacity / P::kPerGroup) + position / P::kPerGroup) * width;
        for (int c = 0; c < width; c += kLanes) {
          const Floats x = _mm512_loadu_ps(value + t * stride + h * width + c);
          if constexpr (P::kPerGroup == 1) {
            _mm512_storeu_ps(to + c, x);
          } else {
            // bfloat16 in the lower or the upper half of sixteen groups; the first of a group clears the other half.
            const Words half = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
            if (position % 2 == 0) {
              _mm512_storeu_si512(to + c, half);
            } else {
              _mm512_storeu_si512(to + c, _mm512_or_si512(_mm512_slli_epi32(half, 16), _mm512_loadu_si512(to + c)));
            }
          }
        }
      }
    }
  }

  // What all rows of a step attend with.
  struct Keys {
    const float* bias_v;      // [heads * width] what the position bias differs by from the content bias
    const Group* positions;   // [heads][span / 16][width groups][16] of the distances left + chunk - 1 .. -(chunk - 1)
    int span;                 // a multiple of 16
    const int* lowest;        // [chunk] a query sees the keys lowest .. highest - 1 of left + chunk
    const int* highest;
  };

  // Whether tiles multiply chunks of that size; attend() wants ``StripTiles(chunk, depth_groups())`` then.
  static bool tiled(int chunk) { return kTiled<P> && chunk <= kTile; }
  // Groups of a tile of keys: they divide a head's.
  int depth_groups() const {
    const int all = width / P::kPerGroup;
    int most = kTile;
    while (all % most != 0) --most;
    return most;
  }

  // Attend from ``chunk`` queries (scaled, with content bias) to the window, whose newest frames are the chunk's.
  // ``query`` [chunk, stride]; writes ``out`` [chunk, out_stride].
  void attend(const float* query, long stride, int chunk, const Window& window, const Group* keys, const Group* values,
              const Keys& all, float* out, long out_stride, Scratch& s) const {
    const int wg = width / P::kPerGroup, span = all.span;
    const int first = window.begin / kLanes * kLanes;
    const int end = window.begin + window.cached + chunk;
    const int vectors = (end - first + kLanes - 1) / kLanes;
    const long row = capacity + 2 * kLanes, each = chunk * row, far = static_cast<long>(chunk) * span;
    Group* q = s.query.reserve(static_cast<size_t>(heads) * chunk * wg);
    Group* qp = s.positional.reserve(static_cast<size_t>(heads) * chunk * wg);
    float* scores = s.scores.reserve(static_cast<size_t>(heads) * each);
    float* distances = s.distances.reserve(static_cast<size_t>(heads) * far + 2 * kLanes);
    Group* weights = s.weights.reserve(static_cast<size_t>(heads) * each);
    float* shares = s.shares.reserve(static_cast<size_t>(heads) * chunk);
    for (int h = 0; h < heads; ++h) {
      for (int t = 0; t < chunk; ++t) {
        const long at = (static_cast<long>(h) * chunk + t) * wg;
        for (int c = 0; c < width; c += kLanes) {
          const Floats x = _mm512_loadu_ps(query + t * stride + h * width + c);
          P::store(q + at + c / P::kPerGroup, x);
          P::store(qp + at + c / P::kPerGroup, _mm512_add_ps(x, _mm512_loadu_ps(all.bias_v + h * width + c)));
        }
      }
    }
    for (int h = 0; h < heads; ++h) {
      const long at = static_cast<long>(h) * chunk * wg;
      by_width(q + at, chunk, keys + (static_cast<long>(h) * capacity + first) * wg, vectors, scores + h * each, row);
      by_width(qp + at, chunk, all.positions + static_cast<long>(h) * wg * span, span / kLanes, distances + h * far, span);
    }
    // Keys before the stream's start are not in the cache: column 0 of the mask is so many keys before ``begin``.
    const int missing = left - window.cached;
    for (int h = 0; h < heads; ++h) {
      for (int t = 0; t < chunk; ++t) {
        const int low = std::max(all.lowest[t] - missing, 0) + window.begin;
        const int high = std::min(all.highest[t], left + window.length) - missing + window.begin;
        // Key j of left + chunk is in column chunk - 1 - t + j; position p is key p - begin + missing.
        const float* by_distance = distances + h * far + static_cast<long>(t) * span + (chunk - 1 - t) + missing - window.begin;
        const long at = h * each + t * row;
        shares[h * chunk + t] = softmax(scores + at, by_distance, first, low, high, vectors, weights + at / P::kPerGroup);
      }
    }
    const int group0 = first / P::kPerGroup, groups = (end + P::kPerGroup - 1) / P::kPerGroup - group0;
    for (int h = 0; h < heads; ++h) {
      const Group* from = values + (static_cast<long>(h) * (capacity / P::kPerGroup) + group0) * width;
      const Group* by = weights + h * each / P::kPerGroup;
      if (tiled(chunk)) {
        // What lies in the last tile beside the window is finite and weighs nothing.
        value_tiles<P>(by, row / P::kPerGroup, from, width, vectors, width / kLanes, out + h * width, out_stride);
      } else {
        strip_product<P>(by, row / P::kPerGroup, chunk, from, width, kLanes, groups, width / kLanes, out + h * width, out_stride);
      }
      for (int t = 0; t < chunk; ++t) {
        const Floats share = _mm512_set1_ps(shares[h * chunk + t]);
        float* line = out + t * out_stride + h * width;
        for (int c = 0; c < width; c += kLanes) _mm512_storeu_ps(line + c, _mm512_mul_ps(_mm512_loadu_ps(line + c), share));
      }
    }
  }

 private:
  // Rows as wide as a head times [vectors][width groups][16].
  void by_width(const Group* a, int rows, const Group* b, int vectors, float* to, long to_stride) const {
    const int wg = width / P::kPerGroup;
    if (tiled(rows)) {
      const int groups = depth_groups();
      key_tiles<P>(a, wg, b, wg / groups, groups, vectors, to, to_stride);
    } else {
      strip_product<P>(a, wg, rows, b, kLanes, static_cast<long>(wg) * kLanes, wg, vectors, to, to_stride);
    }
  }

  // Scores of the positions ``first + i`` to weights, of which only positions low .. high - 1 have any; returns what makes
  // the weighted sum a mean.
  static float softmax(float* scores, const float* by_distance, int first, int low, int high, int vectors, Group* to) {
    constexpr int kStep = kLanes / P::kPerGroup;
    Floats peak = _mm512_set1_ps(-3e38f);
    const int v0 = std::max(0, (low - first) / kLanes);
    const int v1 = high > low ? std::min(vectors, (high - first + kLanes - 1) / kLanes) : v0;
    const auto lanes_of = [&](int v) -> __mmask16 {
      const int p = first + v * kLanes;
      return v > v0 && v + 1 < v1 ? 0xFFFF : first_lanes(high - p) & ~first_lanes(low - p);
    };
    for (int v = v0; v < v1; ++v) {
      const __mmask16 lanes = lanes_of(v);
      const Floats far = _mm512_maskz_loadu_ps(lanes, by_distance + first + v * kLanes);
      const Floats x = _mm512_add_ps(_mm512_loadu_ps(scores + v * kLanes), far);
      _mm512_storeu_ps(scores + v * kLanes, x);
      peak = _mm512_mask_max_ps(peak, lanes, peak, x);
    }
    const Floats top = _mm512_set1_ps(_mm512_reduce_max_ps(peak));
    Floats sum = _mm512_setzero_ps();
    for (int v = 0; v < v0; ++v) P::store(to + v * kStep, sum);
    for (int v = v1; v < vectors; ++v) P::store(to + v * kStep, sum);
    for (int v = v0; v < v1; ++v) {
      const Floats e = _mm512_maskz_mov_ps(
          lanes_of(v), exponential<P::kExact>(_mm512_sub_ps(_mm512_loadu_ps(scores + v * kLanes), top)));
      P::store(to + v * kStep, e);
      sum = _mm512_add_ps(sum, e);
    }
    const float total = _mm512_reduce_add_ps(sum);
    return total > 0.0f ? 1.0f / total : 0.0f;
  }
};

}  // namespace wavelane
