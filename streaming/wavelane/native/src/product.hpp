// Matrix products with packed weights.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "precision.hpp"
#include "tiles.hpp"

namespace wavelane {

constexpr size_t kHugePage = size_t{1} << 21;

// Aligned memory, zero at first.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t count) { reserve(count); }
  T* reserve(size_t count) {
    if (count > size_) {
      // A little behind the end may be read in whole vectors.
      const size_t bytes = count * sizeof(T) + 64;
      const size_t page = bytes >= kHugePage ? kHugePage : 64;
      data_.reset(static_cast<T*>(std::aligned_alloc(page, (bytes + page - 1) / page * page)));
      // Weights are read from end to end in every step: fewer pages, fewer misses of the address cache.
      if (data_ && page == kHugePage) madvise(data_.get(), (bytes + page - 1) / page * page, MADV_HUGEPAGE);
      if (data_) std::memset(static_cast<void*>(data_.get()), 0, count * sizeof(T) + 64);
      size_ = count;
    }
    return data_.get();
  }
  T* get() const { return data_.get(); }
  // What it holds moves to memory of somebody else, who keeps it longer.
  void settle(T* at) {
    std::memcpy(static_cast<void*>(at), data_.get(), size_ * sizeof(T));
    data_ = std::unique_ptr<T, Free>(at, Free{false});
  }
  size_t size() const { return size_; }

 private:
  struct Free {
    bool mine = true;
    void operator()(T* p) const {
      if (mine) std::free(p);
    }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

constexpr int kBlock = 64;   // columns of a block of weights
constexpr int kVectors = 4;  // sums of a row in a block
constexpr int kRows = 6;     // rows of a tile: 24 sums, 4 weights and a row's group fit 32 registers

// Sums of a tile: MR rows against NV * 16 columns, which lie ``next`` groups apart.
template <class P, int MR, int NV>
inline __attribute__((always_inline)) void dot_tile(const Group* a, long a_stride, const Group* b, long b_stride, long next,
                                                    int groups, typename P::Sum sum[MR][NV]) {
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) sum[r][v] = P::zero();
  }
  for (int g = 0; g < groups; ++g, b += b_stride) {
#pragma GCC unroll 8
    for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) sum[r][v] = P::dot(sum[r][v], a[r * a_stride + g], b + v * next);
    }
  }
}

// Weights [n, k] with bias: blocks of 64 columns, in a block group after group. Or, for tiles: blocks, their halves, pairs of
// tiles, in a tile group after group.
template <class P>
class Packed {
 public:
  int n = 0, k = 0, groups = 0, blocks = 0;
  Buffer<Group> data;
  Buffer<float> bias, scale;

  // Row ``order[i]`` of the weights (-1: zeros) is column ``i``.
  void pack(const float* weight, const float* shift, int inputs, const std::vector<int>& order) {
    n = static_cast<int>(order.size());
    k = inputs;
    groups = groups_of<P>(k);
    blocks = (n + kBlock - 1) / kBlock;
    Group* to = data.reserve(static_cast<size_t>(blocks) * groups * kBlock);
    float* b = bias.reserve(static_cast<size_t>(blocks) * kBlock);
    float* s = scale.reserve(static_cast<size_t>(blocks) * kBlock);
    for (int column = 0; column < blocks * kBlock; ++column) {
      const int row = column < n ? order[column] : -1;
      const float* from = row < 0 ? nullptr : weight + static_cast<size_t>(row) * k;
      b[column] = from != nullptr && shift != nullptr ? shift[row] : 0.0f;
      float largest = 0.0f;
      for (int i = 0; from != nullptr && i < k; ++i) largest = std::max(largest, std::fabs(from[i]));
      s[column] = largest / 127.0f;
      const float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;
      Group* target = to + static_cast<size_t>(column / kBlock) * groups * kBlock;
      for (int g = 0; g < groups; ++g) {
        Group group = 0;
        for (int j = 0; j < P::kPerGroup; ++j) {
          const int i = g * P::kPerGroup + j;
          const float value = from != nullptr && i < k ? from[i] : 0.0f;
          if constexpr (P::kPerGroup == 1) {
            std::memcpy(&group, &value, sizeof group);
          } else if constexpr (P::kPerGroup == 2) {
            group |= static_cast<Group>(to_bfloat16(value)) << (16 * j);
          } else {
            const int byte = static_cast<int>(std::nearbyint(value * inverse)) + (kTiled<P> ? 0 : 128);
            group |= static_cast<Group>(byte & 0xFF) << (8 * j);
          }
        }
        target[place(g, column % kBlock)] = group;
      }
    }
  }
  void pack(const float* weight, const float* shift, int outputs, int inputs) {
    std::vector<int> order(outputs);
    for (int i = 0; i < outputs; ++i) order[i] = i;
    pack(weight, shift, inputs, order);
  }

 private:
  // Of a group and a column in a block.
  size_t place(int g, int column) const {
    if constexpr (!kTiled<P>) return static_cast<size_t>(g) * kBlock + column;
    const int half = column / (2 * kTile), tile = 2 * (half * groups / kTile + g / kTile) + column / kTile % 2;
    return static_cast<size_t>(tile) * kTileGroups + g % kTile * kTile + column % kTile;
  }
};

// Rows of a product in its precision.
template <class P>
class Operand {
 public:
  void shape(int rows, int k) {
    stride = groups_of<P>(k);
    data.reserve(static_cast<size_t>(round_up(rows, kTile)) * stride);
    if constexpr (P::kPerGroup == 4) {
      scale.reserve(rows);
      if constexpr (!kTiled<P>) sum.reserve(rows);
    }
  }
  Group* row(int r) const { return data.get() + static_cast<size_t>(r) * stride; }

  // Row ``r`` from ``k`` floats, of which whole vectors can be read; zeros follow up to a whole tile.
  void set(int r, const float* x, int k) {
    if constexpr (P::kPerGroup == 4) {
      Floats largest = _mm512_setzero_ps();
      int c = 0;
      for (; c + kLanes <= k; c += kLanes) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + c)));
      if (c < k) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(first_lanes(k - c), x + c)));
      set(r, x, k, largest);
    } else {
      constexpr int kStep = kLanes / P::kPerGroup;
      Group* to = row(r);
      const int vectors = (k + kLanes - 1) / kLanes, room = stride * P::kPerGroup / kLanes;
      for (int v = 0; v < vectors; ++v) {
        P::store(to + v * kStep, _mm512_maskz_loadu_ps(first_lanes(k - v * kLanes), x + v * kLanes));
      }
      for (int v = vectors; v < room; ++v) P::store(to + v * kStep, _mm512_setzero_ps());
    }
  }

  // The same in int8, where the largest magnitude, of every sixteenth number, is known.
  void set(int r, const float* x, int k, Floats largest) {
    const float peak = _mm512_reduce_max_ps(largest);
    // Dividing a row of tiny numbers by its peak would overflow.
    const Floats inverse = _mm512_set1_ps(peak > 1e-30f ? 127.0f / peak : 0.0f);
    scale.get()[r] = peak / 127.0f;
    Words total = _mm512_setzero_si512();
    const auto whole = [&](int c, __mmask16 lanes) {
      const Floats value = _mm512_maskz_loadu_ps(lanes, x + c);
      const Words words = _mm512_cvtps_epi32(_mm512_mul_ps(value, inverse));
      if constexpr (!kTiled<P>) total = _mm512_add_epi32(total, words);
      return words;
    };
    // Packing works within 128 bits: sixteen groups of four bytes are put in order behind it.
    const Words order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    auto* bytes = reinterpret_cast<char*>(row(r));
    const auto pack = [&](int c, __mmask16 m0, __mmask16 m1, __mmask16 m2, __mmask16 m3) {
      const Words low = _mm512_packs_epi32(whole(c, m0), whole(c + kLanes, m1));
      const Words high = _mm512_packs_epi32(whole(c + 2 * kLanes, m2), whole(c + 3 * kLanes, m3));
      _mm512_storeu_si512(bytes + c, _mm512_permutexvar_epi32(order, _mm512_packs_epi16(low, high)));
    };
    int c = 0;
    for (; c + 4 * kLanes <= k; c += 4 * kLanes) pack(c, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF);
    for (; c < stride * 4; c += 4 * kLanes) {
      pack(c, first_lanes(k - c), first_lanes(k - c - kLanes), first_lanes(k - c - 2 * kLanes), first_lanes(k - c - 3 * kLanes));
    }
    if constexpr (!kTiled<P>) sum.get()[r] = _mm512_reduce_add_epi32(total);
  }

  int stride = 0;
  Buffer<Group> data;
  Buffer<float> scale;
  Buffer<int32_t> sum;
};

// Sums to floats with bias.
template <class P>
inline Floats finish(typename P::Sum sum, const Operand<P>& a, int r, const Packed<P>& w, int column) {
  const Floats bias = _mm512_loadu_ps(w.bias.get() + column);
  if constexpr (P::kPerGroup == 4) {
    // The 128 that was added to every weight has to go.
    if constexpr (!kTiled<P>) sum = _mm512_sub_epi32(sum, _mm512_set1_epi32(a.sum.get()[r] * 128));
    const Floats scale = _mm512_mul_ps(_mm512_loadu_ps(w.scale.get() + column), _mm512_set1_ps(a.scale.get()[r]));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, bias);
  } else {
    return _mm512_add_ps(sum, bias);
  }
}

// The sums of a tile in a block of weights. A function of its own: with what follows inlined behind it the compiler runs
// out of registers and keeps sums in memory, at half the speed.
template <class P, int MR>
__attribute__((noinline)) void block_tile(const Group* a, long a_stride, const Group* b, int groups, typename P::Sum* to) {
  typename P::Sum sum[MR][kVectors];
  dot_tile<P, MR, kVectors>(a, a_stride, b, kBlock, kLanes, groups, sum);
#pragma GCC unroll 8
  for (int r = 0; r < MR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) to[r * kVectors + v] = sum[r][v];
  }
}

// Sums [rows, 64] to the four vectors of every row.
template <class P, class Then>
inline void finish_rows(const typename P::Sum* sum, int rows, const Operand<P>& a, int row, const Packed<P>& w, int block,
                        const Then& then) {
  for (int r = 0; r < rows; ++r) {
    Floats y[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      y[v] = finish<P>(sum[r * kVectors + v], a, row + r, w, block * kBlock + v * kLanes);
    }
    then(row + r, block, y);
  }
}

template <class P, int MR, class Then>
inline void product_tile(const Operand<P>& a, int row, const Packed<P>& w, int block, const Then& then) {
  typename P::Sum sum[MR * kVectors];
  block_tile<P, MR>(a.row(row), a.stride, w.data.get() + static_cast<size_t>(block) * w.groups * kBlock, w.groups, sum);
  finish_rows<P>(sum, MR, a, row, w, block, then);
}

// By AMX, 32 or 16 rows at a time; rows of an operand that are not there are multiplied as they lie and not looked at.
template <class P, class Then>
inline void tiled_product(const Operand<P>& a, int rows, const Packed<P>& w, const Then& then) {
  typename P::Sum sum[2 * kTile * kVectors];
  auto* to = reinterpret_cast<Group*>(sum);
  const int depth = w.groups / kTile;
  for (int block = 0; block < w.blocks; ++block) {
    const Group* weights = w.data.get() + static_cast<size_t>(block) * w.groups * kBlock;
    for (int row = 0; row < rows; row += 2 * kTile) {
      if (rows - row > kTile) {
        tile_block2<P>(a.row(row), a.stride, weights, depth, to);
      } else {
        tile_block<P>(a.row(row), a.stride, weights, depth, to);
      }
      finish_rows<P>(sum, std::min(rows - row, 2 * kTile), a, row, w, block, then);
    }
  }
}

// ``then(row, block, y)`` takes the four vectors of every row in every block of 64 columns. What a row gives does not
// depend on the other rows nor on their number.
template <class P, class Then>
inline void product(const Operand<P>& a, int rows, const Packed<P>& w, const Then& then) {
  if constexpr (kTiled<P>) {
    tiled_product<P>(a, rows, w, then);
    return;
  }
  for (int block = 0; block < w.blocks; ++block) {
    int row = 0;
    for (; row + kRows <= rows; row += kRows) product_tile<P, kRows>(a, row, w, block, then);
    switch (rows - row) {
      case 5: product_tile<P, 5>(a, row, w, block, then); break;
      case 4: product_tile<P, 4>(a, row, w, block, then); break;
      case 3: product_tile<P, 3>(a, row, w, block, then); break;
      case 2: product_tile<P, 2>(a, row, w, block, then); break;
      case 1: product_tile<P, 1>(a, row, w, block, then); break;
      default: break;
    }
  }
}

// Writes y, or act(y), to rows of ``stride`` floats; columns from ``width`` on are not written.
template <class Act>
struct Store {
  float* to;
  long stride;
  int width;
  Act act;
  void operator()(int row, int block, const Floats y[kVectors]) const {
    float* at = to + row * stride + block * kBlock;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int left = width - block * kBlock - v * kLanes;
      if (left >= kLanes) {
        _mm512_storeu_ps(at + v * kLanes, act(y[v]));
      } else if (left > 0) {
        _mm512_mask_storeu_ps(at + v * kLanes, first_lanes(left), act(y[v]));
      }
    }
  }
};
template <class Act>
Store<Act> store(float* to, long stride, int width, Act act) {
  return {to, stride, width, act};
}

// Writes act(y) to rows of ``stride`` floats, and to ``largest`` [rows, 16] the magnitudes that set() wants to know. Columns
// beyond the last one are zero, and room for whole blocks is there.
template <class Act>
struct Keep {
  float* to;
  long stride;
  float* largest;
  Act act;
  void operator()(int row, int block, const Floats y[kVectors]) const {
    float* at = to + row * stride + block * kBlock;
    float* seen = largest + static_cast<long>(row) * kLanes;
    Floats most = block == 0 ? _mm512_setzero_ps() : _mm512_loadu_ps(seen);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Floats z = act(y[v]);
      _mm512_storeu_ps(at + v * kLanes, z);
      most = _mm512_max_ps(most, _mm512_abs_ps(z));
    }
    _mm512_storeu_ps(seen, most);
  }
};
template <class Act>
Keep<Act> keep(float* to, long stride, float* largest, Act act) {
  return {to, stride, largest, act};
}

// Writes act(y) to the rows of the next product's operand. Not for int8, whose rows have to be seen whole before.
template <class P, class Act>
struct Pass {
  Operand<P>* to;
  Act act;
  void operator()(int row, int block, const Floats y[kVectors]) const {
    constexpr int kStep = kLanes / P::kPerGroup;
    Group* line = to->row(row);
    const int at = block * kVectors * kStep;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      if (at + v * kStep < to->stride) P::store(line + at + v * kStep, act(y[v]));
    }
  }
};
template <class P, class Act>
Pass<P, Act> pass(Operand<P>& to, Act act) {
  return {&to, act};
}

// Adds y to rows of ``stride`` floats.
struct Add {
  float* to;
  long stride;
  int width;
  void operator()(int row, int block, const Floats y[kVectors]) const {
    float* at = to + row * stride + block * kBlock;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int left = width - block * kBlock - v * kLanes;
      if (left >= kLanes) {
        _mm512_storeu_ps(at + v * kLanes, _mm512_add_ps(_mm512_loadu_ps(at + v * kLanes), y[v]));
      } else if (left > 0) {
        const __mmask16 lanes = first_lanes(left);
        _mm512_mask_storeu_ps(at + v * kLanes, lanes, _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, at + v * kLanes), y[v]));
      }
    }
  }
};

}  // namespace wavelane
