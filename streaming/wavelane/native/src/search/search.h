// The C interface of the search library, which needs no particular processor; wavelane.native.searching mirrors it.
#pragma once

#include <stdint.h>

#define WAVELANE_API extern "C" __attribute__((visibility("default")))

// A back-off graph (wavelane.lm.graph), whose arrays the caller keeps.
typedef struct {
  const int32_t* first;         // [states + 1]
  const int32_t* labels;        // [arcs]
  const int32_t* targets;       // [arcs]
  const float* weights;         // [arcs]
  const int32_t* backoff;       // [states]
  const float* backoff_weight;  // [states]
  const float* final;           // [states]
  int32_t states, start;
  float unknown;
  float scale;
  int32_t words;           // 0: labels are pieces, 1: words
  int32_t lexicon_size;
  const uint64_t* hashes;  // [lexicon_size]
  const int32_t* ids;      // [lexicon_size]
} wavelane_graph;

typedef struct {
  int32_t symbols, blank;
  int32_t beam, alternatives;
  int32_t settle;    // frames of silence after which the best hypothesis stands
  int32_t patience;  // frames that hypotheses may disagree for
  int32_t tokens;    // most probable symbols of a frame that are tried
  int32_t expansions;  // symbols that a frame may emit (RNN-T)
  float floor;       // least log-probability of a symbol that is tried
  float margin;      // hypotheses that are so much worse than the best are dropped
} wavelane_search_options;

// What a step gave for one stream; valid until the next one.
typedef struct {
  int32_t committed, tentative, alternatives;  // numbers of pieces, of pieces and of hypotheses
  const int32_t* ids;        // committed, then tentative, then those of all alternatives
  const int32_t* frames;     // the same, encoder frames since the start of the stream
  const float* confidences;  // the same
  const int32_t* counts;     // [alternatives] pieces of each
  const double* scores;      // [alternatives]
  int32_t unsettled;         // in the middle of a segment with pieces, of several hypotheses
} wavelane_search_view;

// Bytes of graph, options, view, network and grammar options: a library of other sources than the Python beside it shows.
WAVELANE_API int64_t wavelane_search_layout(int which);
// Text of all pieces, one behind the other: piece i is bytes offsets[i] to offsets[i + 1], ``opens`` a word or not.
WAVELANE_API void* wavelane_pieces_create(int32_t count, const uint8_t* bytes, const int64_t* offsets, const uint8_t* opens);
WAVELANE_API void wavelane_pieces_destroy(void* pieces);
// Null for more graphs than are taken. The pieces have to outlive it.
WAVELANE_API void* wavelane_fusion_create(const void* pieces, int32_t count, const wavelane_graph* graphs, float word_bonus,
                                          float blank_penalty);
WAVELANE_API void wavelane_fusion_destroy(void* fusion);
WAVELANE_API int32_t wavelane_fusion_most(void);
// One stream's search, of CTC or (transducer) of RNN-T. ``fusion`` may be null, and has to outlive it.
WAVELANE_API void* wavelane_search_create(const wavelane_search_options* options, const void* fusion, int32_t transducer);
WAVELANE_API void wavelane_search_destroy(void* search);
WAVELANE_API void wavelane_search_view_of(const void* search, wavelane_search_view* view);

// CTC: each stream takes ``lengths`` [rows] frames, of scores that are log-probabilities but for a constant a frame.
// ``scores`` [rows] points to [lengths, stride]; ``last`` [rows]: the stream is over.
WAVELANE_API void wavelane_search_ctc(int32_t rows, void* const* searches, const float* const* scores, int64_t stride,
                                      const int32_t* lengths, const uint8_t* last);

// RNN-T: every frame is begun, expanded until no row is active, and ended. A hypothesis has a slot in a memory of the
// caller, with the prediction network's state; a search begins with slot 0, a network that has read the blank, and uses
// wavelane_search_slots() of them.
WAVELANE_API int32_t wavelane_search_slots(const void* search);
// Slots of the hypotheses to join with the frame; ``counts`` [rows], ``slots`` has room for all rows' slots.
WAVELANE_API void wavelane_search_begin_frame(int32_t rows, void* const* searches, int32_t* counts, int32_t* slots);
// Takes the scores of the active hypotheses, in the order in which they were given, row by row. The network of slot
// ``sources`` has to read ``ids``, which gives that of slot ``targets``: ``counts`` [rows] of them, in rooms as before.
// Then so many of these slots, the first, or none, are the active ones next: ``active`` [rows].
WAVELANE_API void wavelane_search_expand(int32_t rows, void* const* searches, const float* scores, int64_t stride,
                                         int32_t* counts, int32_t* sources, int32_t* targets, int32_t* ids, int32_t* active);
// After the last frame of a step: what there is to say.
WAVELANE_API void wavelane_search_end_frame(int32_t rows, void* const* searches);
WAVELANE_API void wavelane_search_conclude(void* search, int32_t last);

// A closed grammar in pieces; node 0 is the first.
typedef struct {
  int32_t nodes, arcs;
  const int32_t* source;  // [arcs]
  const int32_t* target;  // [arcs]
  const int32_t* label;   // [arcs] piece, or -1: anything, said or not
  const uint8_t* accepts;  // [nodes] a sentence may end here
  const float* weight;     // [arcs] added to a way in every frame of an arc, but not to what is told of it
} wavelane_network;

typedef struct {
  int32_t symbols, blank;
  int32_t settle;        // as in wavelane_search_options
  float blank_penalty;   // taken from the blank's log-probability
  float garbage_penalty;  // for each frame of anything that is no blank
  float margin;          // ways that are so much worse than the best are dropped
  double least;          // score below which nothing is said
} wavelane_grammar_options;

// Copies the arrays; has to outlive its searches.
WAVELANE_API void* wavelane_grammar_create(const wavelane_network* network);
WAVELANE_API void wavelane_grammar_destroy(void* grammar);
// A search of CTC for one stream in a grammar, as those above.
WAVELANE_API void* wavelane_grammar_search_create(const void* grammar, const wavelane_grammar_options* options);
WAVELANE_API void wavelane_grammar_search_destroy(void* search);
WAVELANE_API void wavelane_grammar_search_view_of(const void* search, wavelane_search_view* view);
WAVELANE_API void wavelane_grammar_search_ctc(int32_t rows, void* const* searches, const float* const* scores, int64_t stride,
                                              const int32_t* lengths, const uint8_t* last);
