#include "services/stratum-gateway/session_image.h"

/* A field that is added must be added here, and FORM changed in handover.c. */
_Static_assert(sizeof(struct stratum_worker) == 32 && sizeof(struct vardiff) == 72 &&
                   sizeof(struct quirk) == 32 && sizeof(struct stratum_session) == 848,
               "session_image.c knows every field");

static void work(struct image *image, struct work *work)
{
    image_u64(image, &work->expected_hashes);
}

static void vardiff(struct image *image, struct vardiff *vardiff)
{
    uint32_t phase = (uint32_t)vardiff->phase;
    work(image, &vardiff->work);
    image_u64(image, &vardiff->observed);
    image_u64(image, &vardiff->expected);
    image_u64(image, &vardiff->burst);
    image_u64(image, &vardiff->burst_expected);
    image_u64(image, &vardiff->silent);
    image_u64(image, &vardiff->last_ms);
    image_u64(image, &vardiff->changed_ms);
    image_u32(image, &phase);
    vardiff->phase = (enum vardiff_phase)phase;
}

static void quirk(struct image *image, struct quirk *quirk)
{
    work(image, &quirk->least);
    work(image, &quirk->start);
    image_u16(image, &quirk->coinbase_bytes_max);
    image_u16(image, &quirk->work_correction_ppm);
    image_u8(image, &quirk->name_bytes_max);
    image_u8(image, &quirk->job_id_digits);
    image_bool(image, &quirk->names_escaped);
    image_bool(image, &quirk->short_numbers);
    image_u8(image, &quirk->missing);
}

void session_image_worker(struct image *image, struct stratum_worker *worker)
{
    image_u64(image, &worker->name);
    image_u64(image, &worker->account_id);
    image_u64(image, &worker->worker_id);
    image_u8(image, &worker->state);
    image_bool(image, &worker->maybe_cut);
    image_u32(image, &worker->generation);
}

static void numbers(struct image *image, struct stratum_session *session)
{
    uint32_t state = (uint32_t)session->state;
    image_u64(image, &session->id);
    image_count(image, &state, STRATUM_CLOSED);
    session->state = (enum stratum_state)state;
    image_u32(image, &session->extranonce1);
    image_u32(image, &session->extranonce1_before);
    image_u32(image, &session->version_mask);
    image_u32(image, &session->version_mask_before);
    image_u32(image, &session->version_wish);
    image_u64(image, &session->moved);
    image_u64(image, &session->version_moved);
    image_u64(image, &session->reshaped);
    image_u16(image, &session->coinbase_bytes_max_before);
    image_u64(image, &session->opened_ms);
    image_u64(image, &session->line_ms);
    image_u64(image, &session->notify_ms);
    image_u64(image, &session->raised_ms);
    image_u64(image, &session->sent_ordinal);
    image_u64(image, &session->sent_tip);
    image_u32(image, &session->sent_ntime);
    image_u8(image, &session->sent_variant);
    image_u32(image, &session->first_answer);
    image_u8(image, &session->extranonce2_bytes);
    image_u8(image, &session->rubbish);
    image_u8(image, &session->raises);
    image_u16(image, &session->rejects);
}

static void flags(struct image *image, struct stratum_session *session)
{
    image_bool(image, &session->extranonce_subscribed);
    image_bool(image, &session->receipts_subscribed);
    image_bool(image, &session->authorised);
    image_bool(image, &session->wished);
    image_bool(image, &session->fixed);
    image_bool(image, &session->wants_workers);
    image_bool(image, &session->no_workers);
    image_bool(image, &session->resuming);
    image_bool(image, &session->version_asked);
    image_bool(image, &session->coinbase_refused);
}

void session_image(struct image *image, struct stratum_session *session)
{
    uint32_t marks = session->marks_count;
    numbers(image, session);
    flags(image, session);
    work(image, &session->start);
    work(image, &session->least);
    work(image, &session->told);
    work(image, &session->unraised);
    quirk(image, &session->quirk);
    image_bytes(image, session->agent, sizeof session->agent);
    session->agent[sizeof session->agent - 1] = '\0';
    vardiff(image, &session->vardiff);
    image_count(image, &marks, STRATUM_MARKS_MAX);
    session->marks_count = (uint8_t)marks;
    for (uint32_t i = 0; i < marks; i++) {
        image_u64(image, &session->marks[i].place);
        work(image, &session->marks[i].work);
    }
    for (unsigned i = 0; i < STRATUM_WORKERS_OWN; i++)
        session_image_worker(image, &session->workers[i]);
}
