// Where the time of a step goes.
#pragma once

#include <chrono>

namespace wavelane {

enum class Part { features, subsampling, feed_forward, attention, convolution, decoder, count };

class Clock {
 public:
  void start() { last_ = now(); }
  // What has passed since the last lap goes to ``part``.
  void lap(Part part) {
    const double t = now();
    seconds[static_cast<int>(part)] += t - last_;
    last_ = t;
  }
  double seconds[static_cast<int>(Part::count)] = {};

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  double last_ = 0;
};

}  // namespace wavelane
