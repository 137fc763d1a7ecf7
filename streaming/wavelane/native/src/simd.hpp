// Sixteen floats at a time: what AVX-512 lacks an instruction for.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace wavelane {

using Floats = __m512;
using Words = __m512i;

constexpr int kLanes = 16;

inline int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// Lanes 0 .. count - 1; everything for count >= 16, nothing for count <= 0.
inline __mmask16 first_lanes(int count) {
  return count >= kLanes ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>(count <= 0 ? 0 : (1u << count) - 1);
}

// exp(x). Exact: to 2 units in the last place. Otherwise to 1e-4, which bfloat16 and int8 activations cannot tell.
template <bool Exact>
inline Floats exponential(Floats x) {
  if constexpr (Exact) {
    x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.0f)), _mm512_set1_ps(88.0f));
    const Floats t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f));
    const Floats n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    // Cody and Waite: the remainder in two steps; then the series of exp to the seventh power.
    Floats r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    Floats p = _mm512_set1_ps(1.0f / 5040);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
  } else {
    // 2^t = 2^floor(t) 2^f, and the cubic that is nearest to 2^f in relative error on 0 .. 1 (7.5e-5). Beyond what floats
    // hold it becomes 0 or infinity by itself.
    const Floats t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f));
    const Floats f = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    Floats p = _mm512_set1_ps(7.8024521e-2f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.2606716e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.9583354e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.9992522e-1f));
    return _mm512_scalef_ps(p, t);
  }
}

// 1 / (1 + exp(-x))
template <bool Exact>
inline Floats sigmoid(Floats x) {
  const Floats one = _mm512_set1_ps(1.0f);
  const Floats denominator = _mm512_add_ps(one, exponential<Exact>(_mm512_sub_ps(_mm512_setzero_ps(), x)));
  if constexpr (Exact) {
    return _mm512_div_ps(one, denominator);
  } else {
    return _mm512_rcp14_ps(denominator);
  }
}

template <bool Exact>
inline Floats silu(Floats x) {
  return _mm512_mul_ps(x, sigmoid<Exact>(x));
}

// Natural logarithm of positive, normal numbers, to 2 units in the last place.
inline Floats logarithm(Floats x) {
  // x = m * 2^e with m in 0.75 .. 1.5, and log(m) by atanh: 2 (s + s^3/3 + s^5/5 + ..), s = (m - 1) / (m + 1).
  Floats m = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
  const Floats e = _mm512_getexp_ps(_mm512_div_ps(x, m));
  const Floats one = _mm512_set1_ps(1.0f);
  const Floats s = _mm512_div_ps(_mm512_sub_ps(m, one), _mm512_add_ps(m, one));
  const Floats s2 = _mm512_mul_ps(s, s);
  Floats p = _mm512_set1_ps(2.0f / 11);
  p = _mm512_fmadd_ps(p, s2, _mm512_set1_ps(2.0f / 9));
  p = _mm512_fmadd_ps(p, s2, _mm512_set1_ps(2.0f / 7));
  p = _mm512_fmadd_ps(p, s2, _mm512_set1_ps(2.0f / 5));
  p = _mm512_fmadd_ps(p, s2, _mm512_set1_ps(2.0f / 3));
  p = _mm512_fmadd_ps(p, s2, _mm512_set1_ps(2.0f));
  p = _mm512_mul_ps(p, s);
  p = _mm512_fmadd_ps(e, _mm512_set1_ps(-2.12194440e-4f), p);
  return _mm512_fmadd_ps(e, _mm512_set1_ps(0.693359375f), p);
}

// Rows become columns.
inline void transpose(Floats rows[kLanes]) {
  Floats t[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    t[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < kLanes; i += 4) {
    const __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
    const __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
    rows[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    rows[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    rows[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    rows[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
  }
  for (int i = 0; i < 4; ++i) {
    const Floats a = rows[i], b = rows[i + 4], c = rows[i + 8], d = rows[i + 12];
    const Floats ab_low = _mm512_shuffle_f32x4(a, b, 0x88), ab_high = _mm512_shuffle_f32x4(a, b, 0xDD);
    const Floats cd_low = _mm512_shuffle_f32x4(c, d, 0x88), cd_high = _mm512_shuffle_f32x4(c, d, 0xDD);
    t[i] = _mm512_shuffle_f32x4(ab_low, cd_low, 0x88);
    t[i + 8] = _mm512_shuffle_f32x4(ab_low, cd_low, 0xDD);
    t[i + 4] = _mm512_shuffle_f32x4(ab_high, cd_high, 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(ab_high, cd_high, 0xDD);
  }
  for (int i = 0; i < kLanes; ++i) rows[i] = t[i];
}

}  // namespace wavelane
