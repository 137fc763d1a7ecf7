// What each stream keeps between steps.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#include "precision.hpp"

namespace wavelane {

struct Lane {
  int64_t heard;    // encoder frames since the start of the stream
  int32_t begin;    // of the window in the strips
  int32_t cached;   // its frames
  int32_t last;     // symbol of the newest frame
  int32_t unused;
};

// A lane's memory of one layer.
struct LayerState {
  Group* keys;
  Group* values;
  float* past;  // [kernel - 1, stride] gated frames before the chunk
};

// How much of each a lane has.
struct LaneShape {
  int layers;
  long keys, values;  // groups, of a layer
  long past;          // floats, of a layer
  long history;       // floats: features before the chunk
  long prediction;    // floats: state of the prediction network
};

// The memory of all lanes, lane by lane: Lane, history, prediction, and then keys, values and past of each layer.
class Lanes {
 public:
  explicit Lanes(const LaneShape& shape) : shape_(shape) {
    const long floats = static_cast<long>(sizeof(float)), groups = static_cast<long>(sizeof(Group));
    head_ = (static_cast<long>(sizeof(Lane)) + (shape.history + shape.prediction) * floats + 63) / 64 * 64;
    layer_ = (shape.keys + shape.values) * groups + shape.past * floats;
    bytes_ = (head_ + layer_ * shape.layers + 4095) / 4096 * 4096;
  }
  ~Lanes() {
    if (memory_ != nullptr) munmap(memory_, size_);
  }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  bool open(long count) {
    size_ = static_cast<size_t>(count) * bytes_;
    // Committed by the operating system page by page, as streams come.
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    // A step jumps from lane to lane: with small pages it waits for the address cache.
    madvise(memory, size_, MADV_HUGEPAGE);
    memory_ = static_cast<char*>(memory);
    return true;
  }

  long bytes() const { return bytes_; }
  Lane& lane(long index) const { return *reinterpret_cast<Lane*>(at(index)); }
  float* history(long index) const { return reinterpret_cast<float*>(at(index) + sizeof(Lane)); }
  float* prediction(long index) const { return history(index) + shape_.history; }
  LayerState layer(long index, int layer) const {
    auto* keys = reinterpret_cast<Group*>(at(index) + head_ + layer * layer_);
    auto* values = keys + shape_.keys;
    return {keys, values, reinterpret_cast<float*>(values + shape_.values)};
  }

  // A new stream. What keys and values a window will not reach need not be cleared.
  void begin(long index, int blank) const {
    lane(index) = Lane{0, 0, 0, blank, 0};
    std::memset(history(index), 0, sizeof(float) * shape_.history);
    for (int i = 0; i < shape_.layers; ++i) std::memset(layer(index, i).past, 0, sizeof(float) * shape_.past);
  }

  // Zeros for numbers that are none: a later stream may read what lies beside its window, and weigh it with zero.
  void forget(long index) const {
    for (int i = 0; i < shape_.layers; ++i) {
      const LayerState state = layer(index, i);
      std::memset(state.keys, 0, sizeof(Group) * shape_.keys);
      std::memset(state.values, 0, sizeof(Group) * shape_.values);
    }
  }

 private:
  char* at(long index) const { return memory_ + index * bytes_; }

  LaneShape shape_;
  long head_, layer_, bytes_;
  char* memory_ = nullptr;
  size_t size_ = 0;
};

}  // namespace wavelane
