// Log-mel features, sixteen frames at a time: every lane is a frame. Numbers as wavelane.frontend.mel gives them.
#pragma once

#include <cmath>

#include "product.hpp"

namespace wavelane {

class LogMel {
 public:
  int n_mels = 0, hop = 0, window = 0, n_fft = 0;
  float preemphasis = 0, log_guard = 0;  // preemphasis 0: none

  // ``hann`` [window], ``filters`` [n_fft / 2 + 1, n_mels].
  void load(const float* hann, const float* filters) {
    hann_.assign(hann, hann + window);
    const int bins = n_fft / 2 + 1;
    ranges_.clear();
    weights_.clear();
    for (int m = 0; m < n_mels; ++m) {
      int first = 0, last = bins;
      while (first < bins && filters[static_cast<size_t>(first) * n_mels + m] == 0.0f) ++first;
      while (last > first && filters[static_cast<size_t>(last - 1) * n_mels + m] == 0.0f) --last;
      ranges_.push_back({first, last, static_cast<int>(weights_.size())});
      for (int k = first; k < last; ++k) weights_.push_back(filters[static_cast<size_t>(k) * n_mels + m]);
    }
    half_ = n_fft / 2;
    twiddle_.resize(2 * half_);
    for (int k = 0; k < half_; ++k) {
      const double angle = -2.0 * M_PI * k / half_;
      twiddle_[2 * k] = static_cast<float>(std::cos(angle));
      twiddle_[2 * k + 1] = static_cast<float>(std::sin(angle));
    }
    unpack_.resize(2 * (half_ + 1));
    for (int k = 0; k <= half_; ++k) {
      const double angle = -2.0 * M_PI * k / n_fft;
      unpack_[2 * k] = static_cast<float>(std::cos(angle));
      unpack_[2 * k + 1] = static_cast<float>(std::sin(angle));
    }
  }

  // Whether this code can compute them: the transform wants a power of two.
  static bool supports(int n_fft) { return n_fft >= 64 && n_fft <= 8192 && (n_fft & (n_fft - 1)) == 0; }

  class Scratch {
   public:
    Buffer<float> a, b, power;
    Buffer<float> mel;
  };

  // ``count`` (1 to 16) frames: ``from[i]`` the window's first sample but one (its predecessor is read), ``to[i]`` the
  // frame's n_mels values.
  void frames(const float* const* from, float* const* to, int count, Scratch& scratch) const {
    const size_t size = static_cast<size_t>(n_fft) * kLanes;
    float* a = scratch.a.reserve(size);
    float* b = scratch.b.reserve(size);
    load_windows(from, count, a);
    const float* z = transform(a, b);
    float* power = scratch.power.reserve(static_cast<size_t>(half_ + 1) * kLanes);
    unpack(z, power);
    float* mel = scratch.mel.reserve(static_cast<size_t>(round_up(n_mels, kLanes)) * kLanes);
    const Floats guard = _mm512_set1_ps(log_guard);
    for (int m = 0; m < n_mels; ++m) {
      const Range& range = ranges_[m];
      const float* weight = weights_.data() + range.offset;
      Floats sum = _mm512_setzero_ps();
      for (int k = range.first; k < range.last; ++k) {
        sum = _mm512_fmadd_ps(_mm512_set1_ps(weight[k - range.first]), _mm512_loadu_ps(power + k * kLanes), sum);
      }
      _mm512_storeu_ps(mel + m * kLanes, logarithm(_mm512_add_ps(sum, guard)));
    }
    for (int m = 0; m < n_mels; m += kLanes) {
      Floats tile[kLanes];
      for (int i = 0; i < kLanes; ++i) tile[i] = _mm512_loadu_ps(mel + (m + i) * kLanes);
      transpose(tile);
      for (int i = 0; i < count; ++i) _mm512_mask_storeu_ps(to[i] + m, first_lanes(n_mels - m), tile[i]);
    }
  }

 private:
  struct Range {
    int first, last, offset;
  };

  // Sample n of all frames at a + 16 n; as complex numbers z[n] = x[2n] + i x[2n + 1] they lie right already.
  void load_windows(const float* const* from, int count, float* a) const {
    const Floats emphasis = _mm512_set1_ps(preemphasis);
    for (int n = 0; n < window; n += kLanes) {
      const __mmask16 lanes = first_lanes(window - n);
      Floats tile[kLanes];
      for (int i = 0; i < kLanes; ++i) {
        const float* x = from[i < count ? i : 0] + n;
        const Floats now = _mm512_maskz_loadu_ps(lanes, x);
        // Two roundings, as the reference has them.
        tile[i] = _mm512_sub_ps(now, _mm512_mul_ps(emphasis, _mm512_maskz_loadu_ps(lanes, x - 1)));
      }
      transpose(tile);
      for (int i = 0; i < kLanes && n + i < window; ++i) {
        _mm512_storeu_ps(a + (n + i) * kLanes, _mm512_mul_ps(tile[i], _mm512_set1_ps(hann_[n + i])));
      }
    }
    std::memset(a + window * kLanes, 0, static_cast<size_t>(n_fft - window) * kLanes * sizeof(float));
  }

  // Complex transform of half_ points (Stockham's: no reordering), radix 4 as long as it goes; returns where it is.
  const float* transform(float* a, float* b) const {
    int n = half_, stride = 1;
    while (n > 1) {
      if (n % 4 == 0) {
        radix4(a, b, n, stride);
        n /= 4;
        stride *= 4;
      } else {
        radix2(a, b, n, stride);
        n /= 2;
        stride *= 2;
      }
      std::swap(a, b);
    }
    return a;
  }

  struct Complex {
    Floats re, im;
  };
  static Complex at(const float* z, int k) {
    return {_mm512_loadu_ps(z + 2 * k * kLanes), _mm512_loadu_ps(z + (2 * k + 1) * kLanes)};
  }
  static void put(float* z, int k, Complex c) {
    _mm512_storeu_ps(z + 2 * k * kLanes, c.re);
    _mm512_storeu_ps(z + (2 * k + 1) * kLanes, c.im);
  }
  static Complex add(Complex x, Complex y) { return {_mm512_add_ps(x.re, y.re), _mm512_add_ps(x.im, y.im)}; }
  static Complex sub(Complex x, Complex y) { return {_mm512_sub_ps(x.re, y.re), _mm512_sub_ps(x.im, y.im)}; }
  Complex times(Complex x, int k) const {
    const Floats c = _mm512_set1_ps(twiddle_[2 * k]), s = _mm512_set1_ps(twiddle_[2 * k + 1]);
    return {_mm512_fmsub_ps(x.re, c, _mm512_mul_ps(x.im, s)), _mm512_fmadd_ps(x.re, s, _mm512_mul_ps(x.im, c))};
  }

  void radix4(const float* x, float* y, int n, int stride) const {
    const int quarter = n / 4;
    for (int p = 0; p < quarter; ++p) {
      for (int q = 0; q < stride; ++q) {
        const Complex a = at(x, q + stride * p), b = at(x, q + stride * (p + quarter));
        const Complex c = at(x, q + stride * (p + 2 * quarter)), d = at(x, q + stride * (p + 3 * quarter));
        const Complex ac = add(a, c), a_c = sub(a, c), bd = add(b, d), b_d = sub(b, d);
        const Complex turned = {b_d.im, _mm512_sub_ps(_mm512_setzero_ps(), b_d.re)};  // -i (b - d)
        put(y, q + stride * (4 * p), add(ac, bd));
        put(y, q + stride * (4 * p + 1), times(add(a_c, turned), p * stride));
        put(y, q + stride * (4 * p + 2), times(sub(ac, bd), 2 * p * stride));
        put(y, q + stride * (4 * p + 3), times(sub(a_c, turned), 3 * p * stride));
      }
    }
  }

  void radix2(const float* x, float* y, int n, int stride) const {
    const int middle = n / 2;
    for (int p = 0; p < middle; ++p) {
      for (int q = 0; q < stride; ++q) {
        const Complex a = at(x, q + stride * p), b = at(x, q + stride * (p + middle));
        put(y, q + stride * (2 * p), add(a, b));
        put(y, q + stride * (2 * p + 1), times(sub(a, b), p * stride));
      }
    }
  }

  // Power of the real signal's bins 0 .. half_ from the transform of its even and odd samples.
  void unpack(const float* z, float* power) const {
    const Floats half = _mm512_set1_ps(0.5f);
    for (int k = 0; k <= half_; ++k) {
      const Complex x = at(z, k == half_ ? 0 : k), y = at(z, k == 0 ? 0 : half_ - k);
      const Floats even_re = _mm512_mul_ps(half, _mm512_add_ps(x.re, y.re));
      const Floats even_im = _mm512_mul_ps(half, _mm512_sub_ps(x.im, y.im));
      const Floats odd_re = _mm512_mul_ps(half, _mm512_add_ps(x.im, y.im));
      const Floats odd_im = _mm512_mul_ps(half, _mm512_sub_ps(y.re, x.re));
      const Floats c = _mm512_set1_ps(unpack_[2 * k]), s = _mm512_set1_ps(unpack_[2 * k + 1]);
      const Floats re = _mm512_add_ps(even_re, _mm512_fmsub_ps(odd_re, c, _mm512_mul_ps(odd_im, s)));
      const Floats im = _mm512_add_ps(even_im, _mm512_fmadd_ps(odd_re, s, _mm512_mul_ps(odd_im, c)));
      _mm512_storeu_ps(power + k * kLanes, _mm512_fmadd_ps(re, re, _mm512_mul_ps(im, im)));
    }
  }

  int half_ = 0;
  std::vector<float> hann_, weights_, twiddle_, unpack_;
  std::vector<Range> ranges_;
};

}  // namespace wavelane
