// Greedy CTC as wavelane.decode.ctc has it: the best symbol of each frame, runs collapsed, blanks dropped.
#pragma once

#include "best.hpp"

namespace wavelane {

template <class P>
class Ctc {
 public:
  int symbols = 0, blank = 0;
  Packed<P> head;

  struct Scratch {
    Operand<P> rows;
    Buffer<float> scores;
  };

  // Frames [frames, stride] to their scores, which decode() reads.
  void score(const float* x, int frames, long stride, int d_model, Scratch& s) const {
    s.rows.shape(frames, d_model);
    for (int r = 0; r < frames; ++r) s.rows.set(r, x + r * stride, d_model);
    float* scores = s.scores.reserve(static_cast<size_t>(frames) * line());
    product<P>(s.rows, frames, head, store(scores, line(), symbols, [](Floats y) { return y; }));
  }

  // New pieces of one row: the ``length`` frames from ``first`` on; ``last`` is the symbol of the frame before them.
  void decode(int first, int length, int32_t& last, const Pieces& to, const Scratch& s) const {
    int count = 0, previous = last;
    bool emits = false;
    for (int t = 0; t < length; ++t) {
      int id;
      float probability;
      best_symbol<P::kExact>(s.scores.get() + (first + t) * line(), symbols, id, probability);
      if (id != previous) {
        emits = id != blank;
        if (emits) {
          to.ids[count] = id;
          to.frames[count] = t;
          to.confidences[count++] = probability;
        }
      } else if (emits) {
        // The run goes on: its confidence is the highest of its frames in this step.
        to.confidences[count - 1] = std::max(to.confidences[count - 1], probability);
      }
      previous = id;
    }
    last = previous;
    *to.count = count;
  }

  // From one frame's scores to the next one's.
  long line() const { return round_up(symbols, kLanes); }
};

}  // namespace wavelane
