// Eightfold causal subsampling (wavelane.model.subsampling), channels last.
#pragma once

#include "product.hpp"

namespace wavelane {

constexpr int kHistory = 7;  // features of the past that a step needs
constexpr int kFactor = 8;
constexpr int kMostChannels = 8192;

// Where in the window the stream lies, at the three levels below an encoder frame.
struct Extent {
  int first[3], end[3];
  int outputs;
  Extent(int first_feature, int end_feature) {
    int f = first_feature + 2, e = end_feature + 2;
    for (int level = 0; level < 3; ++level) {
      first[level] = f - 2;
      end[level] = e - 2;
      f = (f + 1) / 2;
      e = e / 2 + 1;
    }
    outputs = e - 2;
  }
  bool inside(int level, int position) const { return position >= first[level] && position < end[level]; }
};

template <class P>
class Subsampling {
 public:
  int n_mels = 0, channels = 0, d_model = 0;

  void load_stem(const float* weight, const float* bias) {  // [channels, 9], [channels]
    padded_ = round_up(channels, kLanes);
    stem_.assign(static_cast<size_t>(10) * padded_, 0.0f);
    for (int c = 0; c < channels; ++c) {
      for (int i = 0; i < 9; ++i) stem_[static_cast<size_t>(i) * padded_ + c] = weight[c * 9 + i];
      stem_[static_cast<size_t>(9) * padded_ + c] = bias[c];
    }
  }
  void load_depthwise(int level, const float* weight) {  // [channels, 9]
    auto& to = depthwise_[level - 1];
    to.assign(static_cast<size_t>(9) * padded_, 0.0f);
    for (int c = 0; c < channels; ++c) {
      for (int i = 0; i < 9; ++i) to[static_cast<size_t>(i) * padded_ + c] = weight[c * 9 + i];
    }
  }
  void load_pointwise(int level, const float* weight, const float* bias) {
    pointwise_[level - 1].pack(weight, bias, channels, channels);
  }
  void load_out(const float* weight, const float* bias) {  // [d_model, width * channels]
    out_.pack(weight, bias, d_model, width(3) * channels);
  }

  struct Scratch {
    Buffer<float> stem, level, wide;
    Operand<P> rows, flat;
    Buffer<float> last;
  };

  // Width of a frame after so many convolutions.
  int width(int level) const {
    int w = n_mels;
    for (int i = 0; i < level; ++i) w = w / 2 + 1;
    return w;
  }

  // Prepare ``rows`` encoder frames for :meth:`project`.
  void begin(int rows, Scratch& s) const { s.flat.shape(rows, width(3) * channels); }

  // One row of the batch: ``window`` [7 + 8 n, n_mels], zero outside the stream; its n encoder frames become the rows
  // from ``row`` on of what project() takes.
  void convolve(const float* window, int n, const Extent& extent, int row, Scratch& s) const {
    const int w1 = width(1), w2 = width(2), w3 = width(3);
    const int t1 = 4 * n + 3, t2 = 2 * n + 1;
    float* stem = s.stem.reserve(static_cast<size_t>(t1) * w1 * padded_);
    for (int t = 0; t < t1; ++t) {
      float* to = stem + static_cast<size_t>(t) * w1 * padded_;
      if (extent.inside(1, t)) {
        stem_frame(window + 2 * t * n_mels, to, w1, s);
      } else {
        std::memset(to, 0, sizeof(float) * w1 * padded_);
      }
    }
    float* level = s.level.reserve(static_cast<size_t>(std::max(t2 * w2, n * w3)) * padded_);
    depthwise(0, stem, t2, w1, w2, s.rows);
    // The products go where the convolution's inputs were: those are spent.
    product<P>(s.rows, t2 * w2, pointwise_[0], store(level, padded_, channels, relu));
    for (int t = 0; t < t2; ++t) {
      if (!extent.inside(2, t)) {
        std::memset(level + static_cast<size_t>(t) * w2 * padded_, 0, sizeof(float) * w2 * padded_);
      }
    }
    depthwise(1, level, n, w2, w3, s.rows);
    float* last = s.last.reserve(static_cast<size_t>(n) * w3 * channels + kLanes);
    product<P>(s.rows, n * w3, pointwise_[1], store(last, channels, channels, relu));
    for (int t = 0; t < n; ++t) s.flat.set(row + t, last + static_cast<size_t>(t) * w3 * channels, w3 * channels);
  }

  // All rows to ``x`` [rows, stride].
  void project(int rows, float* x, long stride, const Scratch& s) const {
    product<P>(s.flat, rows, out_, store(x, stride, d_model, [](Floats y) { return y; }));
  }

 private:
  // In this order NaN stays NaN.
  static Floats relu(Floats y) { return _mm512_max_ps(_mm512_setzero_ps(), y); }

  // Three feature frames to one of the stem; two zeros before the first mel and one behind the last.
  void stem_frame(const float* frames, float* to, int w1, Scratch& s) const {
    const int line = n_mels + 4;
    float* wide = s.wide.reserve(3 * static_cast<size_t>(line));
    for (int i = 0; i < 3; ++i) std::memcpy(wide + i * line + 2, frames + i * n_mels, sizeof(float) * n_mels);
    for (int c = 0; c < padded_; c += kLanes) {
      Floats weight[9];
#pragma GCC unroll 9
      for (int i = 0; i < 9; ++i) weight[i] = _mm512_loadu_ps(stem_.data() + static_cast<size_t>(i) * padded_ + c);
      const Floats bias = _mm512_loadu_ps(stem_.data() + static_cast<size_t>(9) * padded_ + c);
      for (int m = 0; m < w1; ++m) {
        Floats sum = bias;
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i) sum = _mm512_fmadd_ps(_mm512_set1_ps(wide[i / 3 * line + 2 * m + i % 3]), weight[i], sum);
        _mm512_storeu_ps(to + static_cast<size_t>(m) * padded_ + c, relu(sum));
      }
    }
  }

  // [.., from_width, padded_] to rows of ``a``, stride 2 in time and width.
  void depthwise(int which, const float* x, int times, int from_width, int to_width, Operand<P>& a) const {
    a.shape(times * to_width, channels);
    alignas(64) float sums[kMostChannels];
    for (int t = 0; t < times; ++t) {
      for (int m = 0; m < to_width; ++m) {
        for (int c = 0; c < padded_; c += kLanes) {
          Floats sum = _mm512_setzero_ps();
          for (int i = 0; i < 3; ++i) {
            const float* frame = x + static_cast<size_t>(2 * t + i) * from_width * padded_;
            for (int j = 0; j < 3; ++j) {
              const int from = 2 * m + j - 2;
              if (from < 0 || from >= from_width) continue;
              sum = _mm512_fmadd_ps(_mm512_loadu_ps(frame + static_cast<size_t>(from) * padded_ + c),
                                    _mm512_loadu_ps(depthwise_[which].data() + static_cast<size_t>(3 * i + j) * padded_ + c),
                                    sum);
            }
          }
          _mm512_store_ps(sums + c, sum);
        }
        a.set(t * to_width + m, sums, channels);
      }
    }
  }

  int padded_ = 0;
  std::vector<float> stem_, depthwise_[2];
  Packed<P> pointwise_[2], out_;
};

}  // namespace wavelane
