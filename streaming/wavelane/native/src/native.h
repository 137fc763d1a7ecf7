// The C interface of the library; wavelane.native.library mirrors it.
#pragma once

#include <stdint.h>

#define WAVELANE_API extern "C" __attribute__((visibility("default")))

typedef struct {
  int32_t precision;  // 0 float32, 1 bfloat16, 2 int8
  int32_t n_mels, hop, window, n_fft;
  float preemphasis, log_guard;
  int32_t closing_frame;
  int32_t d_model, layers, heads, d_ff, kernel, channels, left_context, most_chunk;
  int32_t layer_norm, mask_before_start, padded_tail;
  int32_t head;  // 0 none, 1 CTC, 2 RNN-T
  int32_t symbols, blank;
  int32_t prompts, prompt_hidden;  // number of language prompts, 0: none
  int32_t hidden, lstm_layers, joint, max_symbols, activation;  // of RNN-T; activation: 0 relu, 1 tanh, 2 sigmoid
} wavelane_shape;

// Rows of a step: inputs, then outputs.
typedef struct {
  int32_t rows, chunk;         // chunk: encoder frames of a row
  int32_t room;                // pieces that a row has room for: chunk, with RNN-T chunk * max_symbols
  const int64_t* lanes;        // [rows]
  const float* const* samples; // [rows], each a window
  const int32_t* frames;       // [rows] valid features
  const uint8_t* start;        // [rows]
  const uint8_t* last;         // [rows]
  const int32_t* prompts;      // [rows] language prompt
  int32_t* lengths;            // [rows] encoder frames
  int64_t* positions;          // [rows] encoder frames of the stream before this step
  uint8_t* finite;             // [rows]
  float* encoded;              // [rows, chunk, d_model] or null
  int32_t* ids;                // [rows, room], as the next two; null without a head
  int32_t* frames_of_ids;      // within this step
  float* confidences;
  int32_t* counts;             // [rows]
} wavelane_batch;

// Bytes of wavelane_shape and of wavelane_batch: a library of other sources than the Python beside it shows.
WAVELANE_API int64_t wavelane_layout(int which);
// Whether the system lets this process use the registers that the build needs; asks for them.
WAVELANE_API int wavelane_allowed();
// Null where the shape cannot be computed.
WAVELANE_API void* wavelane_create(const wavelane_shape* shape);
WAVELANE_API void wavelane_destroy(void* model);
// 0, or 1 for a name or size that the model does not have.
WAVELANE_API int wavelane_load(void* model, const char* name, int layer, const float* data, int64_t count);
WAVELANE_API int wavelane_plan(void* model, int chunk, const int32_t* lowest, const int32_t* highest,
                               const float* positions);
WAVELANE_API int wavelane_open(void* model, int64_t lanes);
WAVELANE_API int64_t wavelane_bytes_per_lane(void* model);
WAVELANE_API void* wavelane_scratch(void* model);
WAVELANE_API void wavelane_drop(void* model, void* scratch);
// Several threads may step batches without a common lane, each with a scratch of its own.
WAVELANE_API void wavelane_step(void* model, void* scratch, const wavelane_batch* batch);
// Scores of the scratch's last step, of the CTC head: those of row ``r`` and frame ``t`` are the ``symbols`` numbers from
// ``(r * chunk + t) * stride`` on. Valid until its next step.
WAVELANE_API const float* wavelane_scores(void* model, void* scratch, int64_t* stride);
// The networks of the RNN-T head, for a search that keeps states of its own: floats of a state, a state that has read the
// blank, the scores [count, stride] of frames of the scratch's last step (row * chunk + t) joined with states, which are
// valid until the next call, and states that are what others become when they read a symbol.
WAVELANE_API int64_t wavelane_rnnt_size(void* model);
WAVELANE_API void wavelane_rnnt_fresh(void* model, float* state);
WAVELANE_API const float* wavelane_rnnt_join(void* model, void* scratch, int32_t count, const int32_t* frames,
                                             const float* const* states, int64_t* stride);
WAVELANE_API void wavelane_rnnt_read(void* model, void* scratch, int32_t count, const int32_t* ids,
                                     const float* const* sources, float* const* targets);
// Seconds in features, subsampling, feed_forward, attention, convolution, decoder since the scratch was made.
WAVELANE_API void wavelane_seconds(void* model, void* scratch, double* seconds);
// Operations per second of the inner loop on [rows, k] times [k, n]; 0 float32, 1 bfloat16, 2 int8.
WAVELANE_API double wavelane_rate(int precision, int rows, int k, int n, double seconds);
