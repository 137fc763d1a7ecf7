#include "ctc_beam.hpp"
#include "grammar_search.hpp"
#include "transducer_beam.hpp"

namespace {

using namespace wavelane;

Beam* beam_of(void* search) { return static_cast<Beam*>(search); }
CtcBeam* ctc_of(void* search) { return static_cast<CtcBeam*>(beam_of(search)); }
GrammarSearch* grammar_search_of(void* search) { return static_cast<GrammarSearch*>(search); }
TransducerBeam* transducer_of(void* search) { return static_cast<TransducerBeam*>(beam_of(search)); }

}  // namespace

int64_t wavelane_search_layout(int which) {
  constexpr size_t kSizes[] = {sizeof(wavelane_graph), sizeof(wavelane_search_options), sizeof(wavelane_search_view),
                               sizeof(wavelane_network), sizeof(wavelane_grammar_options)};
  return static_cast<int64_t>(kSizes[which]);
}
void* wavelane_pieces_create(int32_t count, const uint8_t* bytes, const int64_t* offsets, const uint8_t* opens) {
  auto* pieces = new PieceTexts;
  pieces->bytes.assign(bytes, bytes + offsets[count]);
  pieces->offsets.assign(offsets, offsets + count + 1);
  pieces->opens.assign(opens, opens + count);
  return pieces;
}
void wavelane_pieces_destroy(void* pieces) { delete static_cast<PieceTexts*>(pieces); }
void* wavelane_fusion_create(const void* pieces, int32_t count, const wavelane_graph* graphs, float word_bonus,
                             float blank_penalty) {
  if (count > kMostGraphs) return nullptr;
  return new Fusion(*static_cast<const PieceTexts*>(pieces), count, graphs, word_bonus, blank_penalty);
}
void wavelane_fusion_destroy(void* fusion) { delete static_cast<Fusion*>(fusion); }
int32_t wavelane_fusion_most() { return kMostGraphs; }
void* wavelane_search_create(const wavelane_search_options* options, const void* fusion, int32_t transducer) {
  const auto* added = static_cast<const Fusion*>(fusion);
  Beam* beam = nullptr;
  if (transducer != 0) {
    beam = new TransducerBeam(*options, added);
  } else {
    beam = new CtcBeam(*options, added);
  }
  return beam;
}
void wavelane_search_destroy(void* search) { delete beam_of(search); }
void wavelane_search_view_of(const void* search, wavelane_search_view* view) { static_cast<const Beam*>(search)->view(*view); }
void wavelane_search_ctc(int32_t rows, void* const* searches, const float* const* scores, int64_t stride, const int32_t* lengths,
                         const uint8_t* last) {
  for (int32_t row = 0; row < rows; ++row) {
    ctc_of(searches[row])->advance(scores[row], stride, lengths[row]);
    beam_of(searches[row])->conclude(last[row] != 0);
  }
}
int32_t wavelane_search_slots(const void* search) {
  return static_cast<const TransducerBeam*>(static_cast<const Beam*>(search))->slots();
}
void wavelane_search_begin_frame(int32_t rows, void* const* searches, int32_t* counts, int32_t* slots) {
  for (int32_t row = 0; row < rows; ++row) {
    const auto& active = transducer_of(searches[row])->begin_frame();
    counts[row] = static_cast<int32_t>(active.size());
    for (const Hypothesis& h : active) *slots++ = h.slot;
  }
}
void wavelane_search_expand(int32_t rows, void* const* searches, const float* scores, int64_t stride, int32_t* counts,
                            int32_t* sources, int32_t* targets, int32_t* ids, int32_t* active) {
  std::vector<TransducerBeam::Move> moves;
  for (int32_t row = 0; row < rows; ++row) {
    TransducerBeam* beam = transducer_of(searches[row]);
    moves.clear();
    const size_t before = beam->active().size();
    beam->expand(scores, stride, moves);
    scores += static_cast<int64_t>(before) * stride;
    counts[row] = static_cast<int32_t>(moves.size());
    active[row] = static_cast<int32_t>(beam->active().size());
    for (const auto& move : moves) {
      *sources++ = move.source;
      *targets++ = move.target;
      *ids++ = move.token;
    }
  }
}
void wavelane_search_end_frame(int32_t rows, void* const* searches) {
  for (int32_t row = 0; row < rows; ++row) transducer_of(searches[row])->end_frame();
}
void wavelane_search_conclude(void* search, int32_t last) { beam_of(search)->conclude(last != 0); }
void* wavelane_grammar_create(const wavelane_network* network) { return new PieceNetwork(*network); }
void wavelane_grammar_destroy(void* grammar) { delete static_cast<PieceNetwork*>(grammar); }
void* wavelane_grammar_search_create(const void* grammar, const wavelane_grammar_options* options) {
  return new GrammarSearch(*static_cast<const PieceNetwork*>(grammar), *options);
}
void wavelane_grammar_search_destroy(void* search) { delete grammar_search_of(search); }
void wavelane_grammar_search_view_of(const void* search, wavelane_search_view* view) {
  static_cast<const GrammarSearch*>(search)->view(*view);
}
void wavelane_grammar_search_ctc(int32_t rows, void* const* searches, const float* const* scores, int64_t stride,
                                 const int32_t* lengths, const uint8_t* last) {
  for (int32_t row = 0; row < rows; ++row) {
    GrammarSearch* search = grammar_search_of(searches[row]);
    search->advance(scores[row], stride, lengths[row]);
    search->conclude(last[row] != 0);
  }
}
