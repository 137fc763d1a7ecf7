// The three precisions of a matrix product. Operands are 32-bit groups: one float, two bfloat16 or four bytes; one
// instruction multiplies the group of a row with the groups of sixteen columns and adds to sixteen sums.
#pragma once

#include "simd.hpp"

namespace wavelane {

using Group = uint32_t;

struct F32 {
  static constexpr int kPerGroup = 1;
  static constexpr bool kExact = true;
  using Sum = Floats;
  static Sum zero() { return _mm512_setzero_ps(); }
  static Sum dot(Sum sum, Group a, const Group* b) {
    float value;
    std::memcpy(&value, &a, sizeof value);
    return _mm512_fmadd_ps(_mm512_set1_ps(value), _mm512_loadu_ps(b), sum);
  }
  // Sixteen floats to kPerGroup-th as many groups.
  static void store(Group* to, Floats x) { _mm512_storeu_ps(to, x); }
};

#ifdef __AVX512BF16__
struct BF16 {
  static constexpr int kPerGroup = 2;
  static constexpr bool kExact = false;
  using Sum = Floats;
  static Sum zero() { return _mm512_setzero_ps(); }
  static Sum dot(Sum sum, Group a, const Group* b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(a)), (__m512bh)_mm512_loadu_si512(b));
  }
  static void store(Group* to, Floats x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(x));
  }
};
#else
// Without the instruction float32 is as fast as anything.
using BF16 = F32;
#endif

// Rows have a scale of their own, weights one for each output. Weights are unsigned (128 added) where there is no AMX.
struct Int8 {
  static constexpr int kPerGroup = 4;
  static constexpr bool kExact = false;
  using Sum = Words;
  static Sum zero() { return _mm512_setzero_si512(); }
  static Sum dot(Sum sum, Group a, const Group* b) {
    return _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(b), _mm512_set1_epi32(static_cast<int>(a)));
  }
};

// The precision of what surrounds the products of a layer: scores, caches, subsampling, heads.
template <class P>
struct Around {
  using Type = P;
};
template <>
struct Around<Int8> {
  using Type = BF16;
};

inline uint16_t to_bfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// Groups of a row of k numbers; a multiple of 16, which is the height of a tile of weights.
template <class P>
inline int groups_of(int k) {
  return round_up(k, 16 * P::kPerGroup) / P::kPerGroup;
}

}  // namespace wavelane
