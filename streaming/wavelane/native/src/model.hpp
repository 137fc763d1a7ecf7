// A model and the memory of its lanes: one call advances rows of lanes by a chunk, from samples to pieces.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ctc.hpp"
#include "features.hpp"
#include "lanes.hpp"
#include "layer.hpp"
#include "native.h"
#include "prompt.hpp"
#include "rnnt.hpp"
#include "subsampling.hpp"

namespace wavelane {

enum Head { kNone, kCtc, kRnnt };

// What precision a model has is hidden behind this.
class AnyModel {
 public:
  virtual ~AnyModel() = default;
  virtual bool load(const std::string& name, int layer, const float* data, long count) = 0;
  virtual bool plan(int chunk, const int32_t* lowest, const int32_t* highest, const float* positions) = 0;
  virtual bool open(long lanes) = 0;
  virtual long bytes_per_lane() const = 0;
  virtual void* scratch() const = 0;
  virtual void drop(void* scratch) const = 0;
  virtual void step(void* scratch, const wavelane_batch& batch) = 0;
  virtual const float* scores(void* scratch, int64_t& stride) const = 0;
  virtual long rnnt_size() const = 0;
  virtual void rnnt_fresh(float* state) const = 0;
  virtual const float* rnnt_join(void* scratch, int count, const int32_t* frames, const float* const* states,
                                 int64_t& stride) const = 0;
  virtual void rnnt_read(void* scratch, int count, const int32_t* ids, const float* const* sources,
                         float* const* targets) const = 0;
  virtual const double* seconds(void* scratch) const = 0;
};

template <class P>
class Model final : public AnyModel {
 public:
  using A = typename Around<P>::Type;

  explicit Model(const wavelane_shape& c) : config_(c) {
    shape_.d_model = c.d_model;
    shape_.heads = c.heads;
    shape_.d_ff = c.d_ff;
    shape_.kernel = c.kernel;
    shape_.left = c.left_context;
    shape_.head_width = c.d_model / c.heads;
    shape_.padded_head = round_up(shape_.head_width, kLanes);
    shape_.stride = round_up(c.d_model, kLanes);
    shape_.layer_norm = c.layer_norm != 0;
    // Room for the window and some chunks: moving it costs as much as a step's attention.
    shape_.capacity = round_up(c.left_context + 2 * std::max(c.most_chunk, kLanes), 64);
    attention_.heads = c.heads;
    attention_.width = shape_.padded_head;
    attention_.left = c.left_context;
    attention_.capacity = shape_.capacity;
    mel_.n_mels = c.n_mels;
    mel_.hop = c.hop;
    mel_.window = c.window;
    mel_.n_fft = c.n_fft;
    mel_.preemphasis = c.preemphasis;
    mel_.log_guard = c.log_guard;
    subsampling_.n_mels = c.n_mels;
    subsampling_.channels = c.channels;
    subsampling_.d_model = c.d_model;
    ctc_.symbols = c.symbols;
    ctc_.blank = c.blank;
    prompt_.hidden = c.prompt_hidden;
    prompt_.count = c.prompts;
    prompt_.d_model = c.d_model;
    rnnt_.symbols = c.symbols;
    rnnt_.blank = c.blank;
    rnnt_.hidden = c.hidden;
    rnnt_.layers = c.lstm_layers;
    rnnt_.joint = c.joint;
    rnnt_.max_symbols = c.max_symbols;
    rnnt_.activation = static_cast<Activation>(c.activation);
    layers_.resize(c.layers);
    LaneShape lane{};
    lane.layers = c.layers;
    lane.keys = attention_.key_groups();
    lane.values = attention_.value_groups();
    lane.past = static_cast<long>(c.kernel - 1) * shape_.stride;
    lane.history = static_cast<long>(kHistory) * c.n_mels;
    lane.prediction = rnnt_.state_size();
    lanes_.emplace(lane);
  }

  bool load(const std::string& name, int i, const float* data, long count) override {
    const long d = shape_.d_model, ff = shape_.d_ff, c = config_.channels;
    auto is = [&](const char* wanted, long size) { return name == wanted && count == size; };
    // Weight and bias are one array: [n, k] and then [n].
    if (is("hann+filters", config_.window + static_cast<long>(config_.n_fft / 2 + 1) * config_.n_mels)) {
      mel_.load(data, data + config_.window);
    } else if (is("stem", c * 10)) {
      subsampling_.load_stem(data, data + c * 9);
    } else if (is("depthwise1", c * 9)) {
      subsampling_.load_depthwise(1, data);
    } else if (is("depthwise2", c * 9)) {
      subsampling_.load_depthwise(2, data);
    } else if (is("pointwise1", c * c + c)) {
      subsampling_.load_pointwise(1, data, data + c * c);
    } else if (is("pointwise2", c * c + c)) {
      subsampling_.load_pointwise(2, data, data + c * c);
    } else if (const long inputs = subsampling_.width(3) * c; is("out", d * inputs + d)) {
      subsampling_.load_out(data, data + d * inputs);
    } else if (is("ctc", config_.symbols * (d + 1))) {
      ctc_.head.pack(data, data + config_.symbols * d, config_.symbols, static_cast<int>(d));
    } else if (const long p = config_.prompt_hidden; is("prompt.inner", p * d)) {
      prompt_.inner.pack(data, nullptr, config_.prompt_hidden, static_cast<int>(d));
    } else if (is("prompt.table", p * config_.prompts)) {
      prompt_.load_table(data);
    } else if (is("prompt.outer", d * p + d)) {
      prompt_.outer.pack(data, data + d * p, static_cast<int>(d), config_.prompt_hidden);
    } else if (const long h = config_.hidden, j = config_.joint; is("embedding", config_.symbols * h)) {
      rnnt_.load_embedding(data);
    } else if (name == "lstm" && i >= 0 && i < config_.lstm_layers && count == 8 * h * h + 4 * h) {
      rnnt_.load_lstm(i, data, data + 8 * h * h);
    } else if (is("joint.encoder", j * d + j)) {
      rnnt_.encoder.pack(data, data + j * d, config_.joint, static_cast<int>(d));
    } else if (is("joint.prediction", j * h + j)) {
      rnnt_.prediction.pack(data, data + j * h, config_.joint, config_.hidden);
    } else if (is("joint.out", config_.symbols * (j + 1))) {
      rnnt_.out.pack(data, data + config_.symbols * j, config_.symbols, config_.joint);
    } else if (i < 0 || i >= static_cast<int>(layers_.size())) {
      return false;
    } else {
      Layer<P>& layer = layers_[i];
      const int width = shape_.d_model;
      if (is("feed_forward1.norm", 2 * d)) layer.norm_feed_forward1.load(data, data + d, width);
      else if (is("feed_forward1.inner", ff * d + ff)) layer.inner1.pack(data, data + ff * d, shape_.d_ff, width);
      else if (is("feed_forward1.outer", ff * d + d)) layer.outer1.pack(data, data + ff * d, width, shape_.d_ff);
      else if (is("attention.norm", 2 * d)) layer.norm_attention.load(data, data + d, width);
      else if (is("attention.qkv", 3 * d * d + 3 * d)) layer.load_qkv(data, data + 3 * d * d, shape_);
      else if (is("attention.bias_v", d)) layer.load_bias_v(data, shape_);
      else if (is("attention.out", d * d + d)) layer.load_out(data, data + d * d, shape_);
      else if (is("convolution.in_norm", 2 * d)) layer.norm_convolution.load(data, data + d, width);
      else if (is("convolution.pointwise1", 2 * d * d + 2 * d)) layer.load_pointwise1(data, data + 2 * d * d, shape_);
      else if (is("convolution.depthwise", d * shape_.kernel + d)) layer.load_depthwise(data, data + d * shape_.kernel, shape_);
      else if (is("convolution.norm", 2 * d)) layer.norm_mixed.load(data, data + d, width);
      else if (is("convolution.pointwise2", d * d + d)) layer.pointwise2.pack(data, data + d * d, width, width);
      else if (is("feed_forward2.norm", 2 * d)) layer.norm_feed_forward2.load(data, data + d, width);
      else if (is("feed_forward2.inner", ff * d + ff)) layer.inner2.pack(data, data + ff * d, shape_.d_ff, width);
      else if (is("feed_forward2.outer", ff * d + d)) layer.outer2.pack(data, data + ff * d, width, shape_.d_ff);
      else if (is("norm", 2 * d)) layer.norm_out.load(data, data + d, width);
      else return false;
    }
    return true;
  }

  // ``positions`` [layers, heads, head_width, left + 2 chunk - 1]
  bool plan(int chunk, const int32_t* lowest, const int32_t* highest, const float* positions) override {
    if (chunk < 1 || chunk > config_.most_chunk) return false;
    Plan& plan = plans_[chunk];
    plan.lowest.assign(lowest, lowest + chunk);
    plan.highest.assign(highest, highest + chunk);
    const int distances = shape_.left + 2 * chunk - 1;
    plan.span = round_up(distances, kLanes);
    const int per = A::kPerGroup, groups = shape_.padded_head / per;
    plan.layer_groups = static_cast<long>(shape_.heads) * groups * plan.span;
    plan.positions.reserve(plan.layer_groups * layers_.size());
    for (size_t i = 0; i < layers_.size(); ++i) {
      for (int h = 0; h < shape_.heads; ++h) {
        for (int c = 0; c < shape_.head_width; ++c) {
          const float* from = positions + ((i * shape_.heads + h) * shape_.head_width + c) * distances;
          Group* to = plan.positions.get() + i * plan.layer_groups + static_cast<long>(h) * groups * plan.span + c / per * kLanes;
          for (int j = 0; j < distances; ++j) {
            Group bits;
            if (per == 1) {
              std::memcpy(&bits, from + j, sizeof bits);
            } else {
              bits = static_cast<Group>(to_bfloat16(from[j])) << (16 * (c % per));
            }
            to[static_cast<long>(j / kLanes) * groups * kLanes + j % kLanes] |= bits;
          }
        }
      }
    }
    return true;
  }

  bool open(long lanes) override {
    if (config_.head == kRnnt) {
      const Tiles tiles;
      rnnt_.ready();
    }
    gather_weights();
    return lanes_->open(lanes);
  }

  long bytes_per_lane() const override { return lanes_->bytes(); }

  void* scratch() const override { return new Scratch; }
  void drop(void* scratch) const override { delete static_cast<Scratch*>(scratch); }
  const float* scores(void* scratch, int64_t& stride) const override {
    stride = ctc_.line();
    return static_cast<Scratch*>(scratch)->ctc.scores.get();
  }
  long rnnt_size() const override { return rnnt_.state_size(); }
  void rnnt_fresh(float* state) const override { rnnt_.reset(state); }
  const float* rnnt_join(void* scratch, int count, const int32_t* frames, const float* const* states,
                         int64_t& stride) const override {
    const Tiles tiles;
    stride = round_up(config_.symbols, kLanes);
    return rnnt_.join(count, [&](int i) { return static_cast<long>(frames[i]); }, [&](int i) { return states[i]; },
                      static_cast<Scratch*>(scratch)->rnnt);
  }
  void rnnt_read(void* scratch, int count, const int32_t* ids, const float* const* sources,
                 float* const* targets) const override {
    const Tiles tiles;
    for (int i = 0; i < count; ++i) std::memcpy(targets[i], sources[i], sizeof(float) * rnnt_.state_size());
    rnnt_.read(count, ids, targets, static_cast<Scratch*>(scratch)->rnnt);
  }
  const double* seconds(void* scratch) const override { return static_cast<Scratch*>(scratch)->clock.seconds; }

  void step(void* opaque, const wavelane_batch& batch) override {
    const Tiles tiles;
    Scratch& s = *static_cast<Scratch*>(opaque);
    const Plan& plan = plans_.at(batch.chunk);
    s.clock.start();
    const int size = batch.chunk, most = kFactor * size;
    features(batch, s);
    s.clock.lap(Part::features);
    const int frames = batch.rows * size;
    float* x = s.x.reserve(static_cast<size_t>(frames) * shape_.stride);
    s.windows.resize(batch.rows);
    subsampling_.begin(frames, s.subsampling);
    const long window = static_cast<long>(kHistory + most) * config_.n_mels;
    for (int row = 0; row < batch.rows; ++row) {
      Lane& lane = lanes_->lane(batch.lanes[row]);
      const Extent extent = extent_of(lane, batch.frames[row], batch.start[row] != 0, most);
      subsampling_.convolve(s.features.get() + row * window, size, extent, row * size, s.subsampling);
      s.windows[row].length = batch.frames[row] > 0 ? std::min(extent.outputs, size) : 0;
    }
    subsampling_.project(frames, x, shape_.stride, s.subsampling);
    s.clock.lap(Part::subsampling);
    run_layers(batch, plan, x, s);
    if (config_.prompts > 0) prompt_.apply(x, batch.rows, size, shape_.stride, batch.prompts, s.prompt);
    finish(batch, x, s);
    s.clock.lap(Part::decoder);
  }

 private:
  struct Plan {
    std::vector<int> lowest, highest;
    int span = 0;
    long layer_groups = 0;
    Buffer<Group> positions;
  };
  struct Scratch {
    Clock clock;
    LogMel::Scratch mel;
    Buffer<float> features, x;
    typename Subsampling<A>::Scratch subsampling;
    LayerScratch<P> layer;
    typename Ctc<A>::Scratch ctc;
    typename Rnnt<A>::Scratch rnnt;
    typename Prompt<A>::Scratch prompt;
    std::vector<Pieces> pieces;
    std::vector<float*> memories;
    std::vector<Window> windows;
    std::vector<LayerState> states;
  };

  // The layers' weights into one piece of memory with large pages.
  void gather_weights() {
    size_t groups = 0;
    for (Layer<P>& layer : layers_) {
      for (Buffer<Group>* weights : layer.weights()) groups += weights->size();
    }
    Group* at = weights_.reserve(groups);
    for (Layer<P>& layer : layers_) {
      for (Buffer<Group>* weights : layer.weights()) {
        weights->settle(at);
        at += weights->size();
      }
    }
  }

  Extent extent_of(const Lane& lane, int frames, bool start, int most) const {
    const int lead = kHistory + kFactor - 1, size = kHistory + most;
    int first = start ? lead : 0;
    if (config_.mask_before_start && !start) {
      // After n encoder frames 8 n - 7 features are known.
      const int64_t known = kFactor * lane.heard - kFactor + 1;
      first = known < kHistory ? static_cast<int>(kHistory - known) : 0;
    }
    return Extent(first, config_.padded_tail ? size : (start ? lead : kHistory) + frames);
  }

  // For each row its history and its new features, zero where there is no stream.
  void features(const wavelane_batch& batch, Scratch& s) const {
    const int most = kFactor * batch.chunk, mels = config_.n_mels;
    const long window = static_cast<long>(kHistory + most) * mels;
    float* all = s.features.reserve(static_cast<size_t>(batch.rows) * window);
    const float* from[kLanes];
    float* to[kLanes];
    int count = 0;
    for (int row = 0; row < batch.rows; ++row) {
      const long index = batch.lanes[row];
      const bool start = batch.start[row] != 0;
      if (start) {
        lanes_->begin(index, config_.blank);
        if (config_.head == kRnnt) rnnt_.reset(lanes_->prediction(index));
      }
      float* mine = all + row * window;
      std::memcpy(mine, lanes_->history(index), sizeof(float) * kHistory * mels);
      const int first = start ? kFactor - 1 : 0;
      int end = first + batch.frames[row];
      if (config_.closing_frame && batch.last[row] != 0) --end;
      float* fresh = mine + kHistory * mels;
      for (int f = 0; f < most; ++f) {
        if (f < first || f >= end) {
          std::memset(fresh + f * mels, 0, sizeof(float) * mels);
          continue;
        }
        from[count] = batch.samples[row] + static_cast<long>(f) * config_.hop + 1;
        to[count++] = fresh + f * mels;
        if (count == kLanes) {
          mel_.frames(from, to, count, s.mel);
          count = 0;
        }
      }
    }
    if (count > 0) mel_.frames(from, to, count, s.mel);
    for (int row = 0; row < batch.rows; ++row) {
      std::memcpy(lanes_->history(batch.lanes[row]), all + row * window + static_cast<long>(most) * mels, sizeof(float) * kHistory * mels);
    }
  }

  void run_layers(const wavelane_batch& batch, const Plan& plan, float* x, Scratch& s) const {
    const int size = batch.chunk;
    for (int row = 0; row < batch.rows; ++row) {
      Lane& lane = lanes_->lane(batch.lanes[row]);
      if (attention_.full(lane.begin + lane.cached, size)) {
        for (size_t i = 0; i < layers_.size(); ++i) {
          const LayerState state = lanes_->layer(batch.lanes[row], static_cast<int>(i));
          attention_.move(state.keys, state.values, lane.begin, lane.cached);
        }
        lane.begin = attention_.moved(lane.begin);
      }
      s.windows[row].begin = lane.begin;
      s.windows[row].cached = lane.cached;
    }
    const int group = rows_at_once(size);
    s.states.resize(group);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const Chunk chunk{size, plan.positions.get() + i * plan.layer_groups, plan.span, plan.lowest.data(), plan.highest.data()};
      for (int row = 0; row < batch.rows; row += group) {
        const int rows = std::min(group, batch.rows - row);
        for (int r = 0; r < rows; ++r) s.states[r] = lanes_->layer(batch.lanes[row + r], static_cast<int>(i));
        layers_[i].run(x + static_cast<long>(row) * size * shape_.stride, rows, chunk, attention_, s.windows.data() + row,
                       s.states.data(), shape_, s.layer, s.clock);
      }
    }
    for (int row = 0; row < batch.rows; ++row) {
      Lane& lane = lanes_->lane(batch.lanes[row]);
      const int kept = std::min(lane.cached + size, shape_.left);
      lane.begin += lane.cached + size - kept;
      lane.cached = kept;
    }
  }

  // So many rows that what they need between two products stays in the second-level cache, in whole tiles if possible. By
  // AMX, weights of a layer that do not fit there come more slowly than they are multiplied: the fewer times, the better.
  int rows_at_once(int size) const {
    constexpr size_t kCache = size_t{2} << 20;
    const bool streamed = weights_.size() * sizeof(Group) / layers_.size() > kCache;
    const int frames = !kTiled<P> ? 96 : streamed ? 448 : 128;
    const int most = std::max(1, frames / size);
    for (int rows = most; rows > most / 2; --rows) {
      if (rows * size % (kTiled<P> ? kTile : kRows) == 0) return rows;
    }
    return most;
  }

  void finish(const wavelane_batch& batch, const float* x, Scratch& s) const {
    const int size = batch.chunk;
    s.pieces.resize(batch.rows);
    for (int row = 0; row < batch.rows && config_.head != kNone; ++row) {
      const long at = static_cast<long>(row) * batch.room;
      s.pieces[row] = {batch.ids + at, batch.frames_of_ids + at, batch.confidences + at, batch.counts + row};
    }
    if (config_.head == kCtc) {
      ctc_.score(x, batch.rows * size, shape_.stride, shape_.d_model, s.ctc);
    } else if (config_.head == kRnnt) {
      s.memories.resize(batch.rows);
      for (int row = 0; row < batch.rows; ++row) s.memories[row] = lanes_->prediction(batch.lanes[row]);
      rnnt_.decode(x, batch.rows, size, shape_.stride, shape_.d_model, [&](int row) { return s.windows[row].length; },
                   s.memories.data(), s.pieces.data(), s.rnnt);
    }
    for (int row = 0; row < batch.rows; ++row) {
      Lane& lane = lanes_->lane(batch.lanes[row]);
      const int length = s.windows[row].length;
      const float* mine = x + static_cast<long>(row) * size * shape_.stride;
      batch.lengths[row] = length;
      batch.positions[row] = lane.heard;
      batch.finite[row] = finite(mine, length);
      if (!batch.finite[row]) lanes_->forget(batch.lanes[row]);
      lane.heard += length;
      if (batch.encoded != nullptr) {
        for (int t = 0; t < size; ++t) {
          std::memcpy(batch.encoded + (static_cast<long>(row) * size + t) * shape_.d_model, mine + t * shape_.stride,
                      sizeof(float) * shape_.d_model);
        }
      }
      if (config_.head == kCtc) ctc_.decode(row * size, length, lane.last, s.pieces[row], s.ctc);
    }
  }

  bool finite(const float* x, int frames) const {
    // A number times zero is zero, anything else is not.
    Floats sum = _mm512_setzero_ps();
    for (int t = 0; t < frames; ++t) {
      for (int c = 0; c < shape_.d_model; c += kLanes) {
        const Floats v = _mm512_maskz_loadu_ps(first_lanes(shape_.d_model - c), x + t * shape_.stride + c);
        sum = _mm512_fmadd_ps(v, _mm512_setzero_ps(), sum);
      }
    }
    return _mm512_reduce_add_ps(sum) == 0.0f;
  }

  wavelane_shape config_;
  Shape shape_{};
  LogMel mel_;
  Subsampling<A> subsampling_;
  Buffer<Group> weights_;
  std::vector<Layer<P>> layers_;
  Attention<A> attention_;
  Ctc<A> ctc_;
  Rnnt<A> rnnt_;
  Prompt<A> prompt_;
  std::map<int, Plan> plans_;
  std::optional<Lanes> lanes_;  // made when all sizes are known
};

}  // namespace wavelane
