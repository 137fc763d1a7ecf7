// A Conformer layer over some rows of a batch: feed-forward, attention, convolution, feed-forward, norm.
#pragma once

#include "attention.hpp"
#include "clock.hpp"
#include "lanes.hpp"
#include "product.hpp"

namespace wavelane {

struct Shape {
  int d_model, heads, d_ff, kernel, left, capacity;
  int head_width;    // d_model / heads
  int padded_head;   // a multiple of 16
  int stride;        // floats of a frame in memory
  bool layer_norm;   // of the convolution; otherwise its norm is part of its weights
};

class Norm {
 public:
  void load(const float* weight, const float* bias, int width) {
    width_ = width;
    weight_.reserve(round_up(width, kLanes));
    bias_.reserve(round_up(width, kLanes));
    std::memcpy(weight_.get(), weight, sizeof(float) * width);
    std::memcpy(bias_.get(), bias, sizeof(float) * width);
  }
  void operator()(const float* x, float* y) const {
    Floats sum = _mm512_setzero_ps();
    over([&](int c, __mmask16 lanes) { sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, x + c)); });
    const Floats mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / static_cast<float>(width_));
    Floats squares = _mm512_setzero_ps();
    over([&](int c, __mmask16 lanes) {
      const Floats d = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + c), mean);
      squares = _mm512_fmadd_ps(d, d, squares);
    });
    const float variance = _mm512_reduce_add_ps(squares) / static_cast<float>(width_);
    const Floats scale = _mm512_set1_ps(1.0f / std::sqrt(variance + 1e-5f));
    over([&](int c, __mmask16 lanes) {
      const Floats d = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, x + c), mean), scale);
      _mm512_mask_storeu_ps(y + c, lanes,
                            _mm512_fmadd_ps(d, _mm512_loadu_ps(weight_.get() + c), _mm512_loadu_ps(bias_.get() + c)));
    });
  }

 private:
  // Whole vectors, for which the compiler drops the mask, and what is left.
  template <class Each>
  void over(const Each& each) const {
    int c = 0;
    for (; c + kLanes <= width_; c += kLanes) each(c, 0xFFFF);
    if (c < width_) each(c, first_lanes(width_ - c));
  }

  int width_ = 0;
  Buffer<float> weight_, bias_;
};

// What the rows of a chunk have in common.
struct Chunk {
  int size;  // frames of a row
  const Group* positions;
  int span;
  const int* lowest;
  const int* highest;
};

template <class P>
struct LayerScratch {
  using A = typename Around<P>::Type;
  Operand<P> rows, inner;
  Buffer<float> normed, wide, largest, attended, gated, mixed;
  typename Attention<A>::Scratch attention;
};

template <class P>
class Layer {
 public:
  using A = typename Around<P>::Type;
  static constexpr bool kExact = P::kExact;

  Norm norm_feed_forward1, norm_attention, norm_convolution, norm_mixed, norm_feed_forward2, norm_out;
  Packed<P> inner1, outer1, inner2, outer2, qkv, out, pointwise1, pointwise2;
  Buffer<float> bias_v;

  // Weights of the products, in the order in which a step reads them.
  std::vector<Buffer<Group>*> weights() {
    return {&inner1.data, &outer1.data, &qkv.data, &out.data, &pointwise1.data, &pointwise2.data, &inner2.data, &outer2.data};
  }

  void load_qkv(const float* weight, const float* bias, const Shape& shape) {
    std::vector<int> order;
    for (int part = 0; part < 3 * shape.heads; ++part) {
      for (int c = 0; c < shape.padded_head; ++c) order.push_back(c < shape.head_width ? part * shape.head_width + c : -1);
    }
    qkv.pack(weight, bias, shape.d_model, order);
  }
  void load_bias_v(const float* values, const Shape& shape) {
    bias_v.reserve(static_cast<size_t>(shape.heads) * shape.padded_head);
    for (int h = 0; h < shape.heads; ++h) {
      std::memcpy(bias_v.get() + h * shape.padded_head, values + h * shape.head_width, sizeof(float) * shape.head_width);
    }
  }
  void load_out(const float* weight, const float* bias, const Shape& shape) {  // [d_model, d_model]: inputs by head
    const int inputs = shape.heads * shape.padded_head;
    std::vector<float> spread(static_cast<size_t>(shape.d_model) * inputs, 0.0f);
    for (int n = 0; n < shape.d_model; ++n) {
      for (int h = 0; h < shape.heads; ++h) {
        std::memcpy(spread.data() + static_cast<size_t>(n) * inputs + h * shape.padded_head,
                    weight + static_cast<size_t>(n) * shape.d_model + h * shape.head_width,
                    sizeof(float) * shape.head_width);
      }
    }
    out.pack(spread.data(), bias, shape.d_model, inputs);
  }
  void load_pointwise1(const float* weight, const float* bias, const Shape& shape) {
    // Values and their gates side by side: 16 of these, 16 of those.
    std::vector<int> order;
    for (int c = 0; c < round_up(shape.d_model, kLanes); c += kLanes) {
      for (int gate = 0; gate < 2; ++gate) {
        for (int i = c; i < c + kLanes; ++i) order.push_back(i < shape.d_model ? gate * shape.d_model + i : -1);
      }
    }
    pointwise1.pack(weight, bias, shape.d_model, order);
  }
  void load_depthwise(const float* weight, const float* bias, const Shape& shape) {  // [d_model, kernel], [d_model]
    depthwise_.reserve(static_cast<size_t>(shape.kernel + 1) * shape.stride);
    for (int c = 0; c < shape.d_model; ++c) {
      for (int k = 0; k < shape.kernel; ++k) depthwise_.get()[k * shape.stride + c] = weight[c * shape.kernel + k];
      depthwise_.get()[shape.kernel * shape.stride + c] = bias[c];
    }
  }

  // ``x`` [rows * chunk.size, stride] is changed in place.
  void run(float* x, int rows, const Chunk& chunk, const Attention<A>& attention, const Window* windows,
           const LayerState* states, const Shape& shape, LayerScratch<P>& s, Clock& clock) const {
    const int frames = rows * chunk.size;
    feed_forward(x, frames, norm_feed_forward1, inner1, outer1, shape, s);
    clock.lap(Part::feed_forward);
    attend(x, rows, chunk, attention, windows, states, shape, s);
    clock.lap(Part::attention);
    convolve(x, rows, chunk, windows, states, shape, s);
    clock.lap(Part::convolution);
    feed_forward(x, frames, norm_feed_forward2, inner2, outer2, shape, s);
    for (int r = 0; r < frames; ++r) norm_out(x + static_cast<long>(r) * shape.stride, x + static_cast<long>(r) * shape.stride);
    clock.lap(Part::feed_forward);
  }

 private:
  static Floats itself(Floats y) { return y; }

  void normalise(const float* x, int frames, const Norm& norm, const Shape& shape, LayerScratch<P>& s) const {
    float* normed = s.normed.reserve(shape.stride);
    s.rows.shape(frames, shape.d_model);
    for (int r = 0; r < frames; ++r) {
      norm(x + static_cast<long>(r) * shape.stride, normed);
      s.rows.set(r, normed, shape.d_model);
    }
  }

  void feed_forward(float* x, int frames, const Norm& norm, const Packed<P>& inner, const Packed<P>& outer,
                    const Shape& shape, LayerScratch<P>& s) const {
    normalise(x, frames, norm, shape, s);
    const auto act = [](Floats y) { return silu<kExact>(y); };
    s.inner.shape(frames, shape.d_ff);
    if constexpr (P::kPerGroup == 4) {
      const long stride = round_up(shape.d_ff, kBlock);
      float* wide = s.wide.reserve(static_cast<size_t>(frames) * stride);
      float* largest = s.largest.reserve(static_cast<size_t>(frames) * kLanes);
      product<P>(s.rows, frames, inner, keep(wide, stride, largest, act));
      for (int r = 0; r < frames; ++r) s.inner.set(r, wide + r * stride, shape.d_ff, _mm512_loadu_ps(largest + r * kLanes));
    } else {
      product<P>(s.rows, frames, inner, pass(s.inner, act));
    }
    product<P>(s.inner, frames, outer, Add{x, shape.stride, shape.d_model});
  }

  void attend(float* x, int rows, const Chunk& chunk, const Attention<A>& attention, const Window* windows,
              const LayerState* states, const Shape& shape, LayerScratch<P>& s) const {
    const int frames = rows * chunk.size;
    normalise(x, frames, norm_attention, shape, s);
    const long third = static_cast<long>(shape.heads) * shape.padded_head, stride = 3 * third;
    float* wide = s.wide.reserve(static_cast<size_t>(frames) * stride);
    product<P>(s.rows, frames, qkv, store(wide, stride, static_cast<int>(stride), itself));
    float* attended = s.attended.reserve(static_cast<size_t>(frames) * third);
    const auto every = [&] {
      const typename Attention<A>::Keys keys{bias_v.get(), chunk.positions, chunk.span, chunk.lowest, chunk.highest};
      for (int row = 0; row < rows; ++row) {
        const float* from = wide + static_cast<long>(row) * chunk.size * stride;
        const Window& window = windows[row];
        attention.append(from + third, from + 2 * third, stride, chunk.size, window.begin + window.cached,
                         states[row].keys, states[row].values);
        attention.attend(from, stride, chunk.size, window, states[row].keys, states[row].values, keys,
                         attended + static_cast<long>(row) * chunk.size * third, third, s.attention);
      }
    };
    if (Attention<A>::tiled(chunk.size)) {
      const StripTiles tiles(chunk.size, attention.depth_groups());
      every();
    } else {
      every();
    }
    s.rows.shape(frames, static_cast<int>(third));
    for (int r = 0; r < frames; ++r) s.rows.set(r, attended + r * third, static_cast<int>(third));
    product<P>(s.rows, frames, out, Add{x, shape.stride, shape.d_model});
  }

  void convolve(float* x, int rows, const Chunk& chunk, const Window* windows, const LayerState* states,
                const Shape& shape, LayerScratch<P>& s) const {
    const int frames = rows * chunk.size, history = shape.kernel - 1;
    const long stride = shape.stride, line = (history + chunk.size) * stride;
    normalise(x, frames, norm_convolution, shape, s);
    // For each row its past and the gated chunk behind it.
    float* gated = s.gated.reserve(static_cast<size_t>(rows) * line);
    const int size = chunk.size;
    product<P>(s.rows, frames, pointwise1, [=](int r, int block, const Floats y[kVectors]) {
      float* to = gated + r / size * line + (history + r % size) * stride + block * (kBlock / 2);
      for (int v = 0; v < kVectors; v += 2) {
        if (block * (kBlock / 2) + v / 2 * kLanes >= stride) break;
        _mm512_storeu_ps(to + v / 2 * kLanes, _mm512_mul_ps(y[v], sigmoid<kExact>(y[v + 1])));
      }
    });
    s.rows.shape(frames, shape.d_model);
    float* mixed = s.mixed.reserve(stride);
    const float* bias = depthwise_.get() + shape.kernel * stride;
    for (int row = 0; row < rows; ++row) {
      float* window = gated + row * line;
      std::memcpy(window, states[row].past, sizeof(float) * history * stride);
      for (int t = windows[row].length; t < size; ++t) std::memset(window + (history + t) * stride, 0, sizeof(float) * stride);
      std::memcpy(states[row].past, window + size * stride, sizeof(float) * history * stride);
      for (int t = 0; t < size; ++t) {
        for (int c = 0; c < stride; c += kLanes) {
          Floats sum = _mm512_loadu_ps(bias + c);
          for (int k = 0; k < shape.kernel; ++k) {
            sum = _mm512_fmadd_ps(_mm512_loadu_ps(window + (t + k) * stride + c), _mm512_loadu_ps(depthwise_.get() + k * stride + c), sum);
          }
          _mm512_storeu_ps(mixed + c, shape.layer_norm ? sum : silu<kExact>(sum));
        }
        if (shape.layer_norm) {
          norm_mixed(mixed, mixed);
          for (int c = 0; c < stride; c += kLanes) _mm512_storeu_ps(mixed + c, silu<kExact>(_mm512_loadu_ps(mixed + c)));
        }
        s.rows.set(row * size + t, mixed, shape.d_model);
      }
    }
    product<P>(s.rows, frames, pointwise2, Add{x, stride, shape.d_model});
  }

  Buffer<float> depthwise_;
};

}  // namespace wavelane
