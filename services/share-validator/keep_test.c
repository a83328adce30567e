/* Kept jobs: whole after any death, bounded, and pruned. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "services/share-validator/keep.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    struct loop *loop;
    struct keep *keep;
    unsigned kept, failed;
    uint64_t seen[64];
    size_t seen_count;
    unsigned damaged, unread;
    bool starved; /* no file can be opened behind the first that was seen */
};

static void open_keep(struct fixture *f, size_t files_max, uint64_t memory_ms)
{
    struct error error;
    f->keep = keep_create(
        &(struct keep_options){
            .loop = f->loop, .folder = f->folder, .files_max = files_max, .memory_ms = memory_ms },
        &error);
    if (f->keep == NULL)
        fail_msg("%s", error.text);
}

static void on_kept(void *context, uint64_t job_id, const struct error *error)
{
    struct fixture *f = context;
    assert_true(job_id != 0);
    f->kept += error == NULL;
    f->failed += error != NULL;
}

/* The text tells whose file it is. */
static void keep_job(struct fixture *f, uint64_t job_id)
{
    char text[64];
    struct error error;
    unsigned before = f->kept + f->failed;
    snprintf(text, sizeof text, "job %016" PRIx64, job_id);
    assert_true(keep_write(f->keep, job_id, NULL, span_text(text), on_kept, f, &error));
    assert_false(keep_write(f->keep, job_id, NULL, span_text(text), on_kept, f, &error));
    assert_true(keep_is_writing(f->keep, job_id));
    for (int i = 0; i < 5000 && f->kept + f->failed == before; i++)
        loop_run_once(f->loop, 10);
    assert_int_equal(f->kept + f->failed, before + 1);
    assert_false(keep_is_writing(f->keep, job_id));
}

static void limit_files(rlim_t files)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = files;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void visit(void *context, uint64_t job_id, struct span message, bool last)
{
    struct fixture *f = context;
    char text[64];
    snprintf(text, sizeof text, "job %016" PRIx64, job_id);
    assert_true(span_equal(message, span_text(text)) && last);
    f->seen[f->seen_count++] = job_id;
    if (f->starved)
        limit_files(0);
}

static void on_trouble(void *context, const char *sentence)
{
    struct fixture *f = context;
    bool damaged = strstr(sentence, "is damaged and is removed") != NULL;
    assert_true(damaged || strstr(sentence, "cannot be read") != NULL);
    f->damaged += damaged;
    f->unread += !damaged;
}

/* As another process that comes after this one. */
static void reopen(struct fixture *f, size_t files_max, uint64_t memory_ms)
{
    keep_destroy(f->keep);
    open_keep(f, files_max, memory_ms);
    f->seen_count = 0;
    f->damaged = f->unread = 0;
    keep_read(f->keep,
              &(struct keep_reader){ .visitor = visit, .on_trouble = on_trouble, .context = f });
}

static void the_newest_jobs_outlive_their_process_and_older_ones_go(void **state)
{
    struct fixture *f = *state;
    open_keep(f, 4, 3600000);
    for (uint64_t id = 1; id <= 9; id++)
        keep_job(f, 0x300000000 + id);
    assert_int_equal(keep_count(f->keep), 4);
    reopen(f, 4, 3600000);
    assert_int_equal(f->seen_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(f->seen[i] == 0x300000006 + i);
    /* With less room the newest are read, and no damage is told of those that are too many. */
    reopen(f, 2, 3600000);
    assert_true(f->seen_count == 2 && f->seen[1] == 0x300000009 && f->damaged == 0);
    /* What an earlier process kept is written anew, and is the newest then. */
    assert_false(keep_has(f->keep, 0x300000008));
    keep_job(f, 0x300000008);
    assert_true(keep_has(f->keep, 0x300000008));
    keep_job(f, 0x30000000a);
    reopen(f, 4, 3600000);
    assert_true(f->seen_count == 2 && f->seen[0] == 0x300000008 && f->seen[1] == 0x30000000a);
}

static void a_job_goes_when_the_one_after_it_is_old_enough(void **state)
{
    struct fixture *f = *state;
    open_keep(f, 8, 0);
    uint64_t second_ms = 0;
    for (uint64_t id = 1; id <= 2; id++) {
        keep_job(f, id);
        second_ms = loop_now_ms(f->loop);
    }
    assert_int_equal(keep_count(f->keep), 2);
    while (loop_now_ms(f->loop) <= second_ms)
        loop_run_once(f->loop, 1);
    keep_job(f, 3);
    assert_int_equal(keep_count(f->keep), 2);
}

static void a_damaged_file_is_told_and_removed(void **state)
{
    struct fixture *f = *state;
    for (int kind = 0; kind < 4; kind++) {
        char path[128];
        open_keep(f, 8, 3600000);
        keep_job(f, 0xabc);
        snprintf(path, sizeof path, "%s/0000000000000abc.job", f->folder);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        if (kind == 0)
            assert_int_equal(pwrite(fd, "X", 1, 20), 1);
        else
            assert_int_equal(ftruncate(fd, kind == 1 ? 0 : kind == 2 ? 20 : 40), 0);
        close(fd);
        reopen(f, 8, 3600000);
        assert_true(f->seen_count == 0 && f->damaged == 1);
        assert_int_not_equal(access(path, F_OK), 0);
        keep_destroy(f->keep);
        f->keep = NULL;
    }
}

static void a_file_that_cannot_be_read_is_told_and_stays(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit;
    char path[128];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    open_keep(f, 4, 3600000);
    for (uint64_t id = 1; id <= 3; id++)
        keep_job(f, id);
    f->starved = true;
    reopen(f, 4, 3600000);
    limit_files(limit.rlim_cur);
    f->starved = false;
    assert_true(f->seen_count == 1 && f->unread == 2 && f->damaged == 0);
    /* They keep their places, so the number of files stays bounded. */
    assert_int_equal(keep_count(f->keep), 3);
    reopen(f, 4, 3600000);
    assert_true(f->seen_count == 3 && f->unread == 0);
    /* Nor does a name that leads nowhere say what its file holds. */
    snprintf(path, sizeof path, "%s/0000000000000002.job", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("0000000000000002.job", path), 0);
    reopen(f, 4, 3600000);
    assert_true(f->seen_count == 2 && f->seen[1] == 3 && f->unread == 1 && f->damaged == 0);
    assert_int_equal(unlink(path), 0); /* it is there yet */
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return access(path, F_OK) == 0;
}

static void visit_piece(void *context, uint64_t job_id, struct span message, bool last)
{
    struct fixture *f = context;
    char text[16];
    assert_int_equal(job_id, 5);
    snprintf(text, sizeof text, "piece %zu", f->seen_count);
    assert_true(span_equal(message, last ? span_text("job") : span_text(text)));
    f->seen_count++;
    f->kept += last;
}

static void a_file_begun_before_its_job_is_known_holds_all_pieces(void **state)
{
    struct fixture *f = *state;
    struct error error;
    char text[16];
    open_keep(f, 8, 3600000);
    struct keep_draft *draft = keep_begin(f->keep, 0x77), *dropped = keep_begin(f->keep, 0x78);
    assert_true(draft != NULL && dropped != NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "piece %d", i);
        keep_add(draft, span_text(text));
        keep_add(dropped, span_text("of no use"));
    }
    keep_drop(dropped);
    assert_true(keep_write(f->keep, 5, draft, span_text("job"), on_kept, f, &error));
    for (int i = 0; i < 2000 && f->kept + f->failed == 0; i++)
        loop_run_once(f->loop, 10);
    assert_true(f->kept == 1 && f->failed == 0);
    assert_true(is_there(f, "0000000000000005.job"));
    assert_false(is_there(f, "0000000000000077.txs.new"));
    assert_false(is_there(f, "0000000000000078.txs.new"));
    keep_destroy(f->keep);
    open_keep(f, 8, 3600000);
    f->kept = 0;
    keep_read(f->keep, &(struct keep_reader){
                           .visitor = visit_piece, .on_trouble = on_trouble, .context = f });
    assert_true(f->seen_count == 4 && f->kept == 1 && f->damaged == 0);
}

/* Only so many pieces wait for a disk; the job then has no file, and who waits is told. */
static void a_draft_that_lost_a_piece_makes_no_file(void **state)
{
    struct fixture *f = *state;
    struct error error;
    char path[128];
    open_keep(f, 8, 3600000);
    snprintf(path, sizeof path, "%s/0000000000000077.txs.new", f->folder);
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it waits for a reader */
    struct keep_draft *draft = keep_begin(f->keep, 0x77);
    assert_non_null(draft);
    for (int i = 0; i < 300; i++)
        keep_add(draft, span_text("piece"));
    assert_false(keep_write(f->keep, 5, draft, span_text("job"), on_kept, f, &error));
    assert_true(error.code == ERROR_FULL && !keep_has(f->keep, 5));
    size_t alive = 0;
    struct keep_draft *drafts[64];
    while (alive < 64 && (drafts[alive] = keep_begin(f->keep, 0x100 + alive)) != NULL)
        alive++;
    assert_in_range(alive, 16, 40);
    while (alive > 0)
        keep_drop(drafts[--alive]);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    keep_destroy(f->keep);
    close(reader);
    assert_true(f->kept + f->failed == 0 && access(path, F_OK) != 0);
    f->keep = NULL;
}

static void what_a_death_left_unfinished_is_removed(void **state)
{
    struct fixture *f = *state;
    char unfinished[128], draft[128], other[128];
    open_keep(f, 8, 3600000);
    keep_job(f, 7);
    snprintf(unfinished, sizeof unfinished, "%s/0000000000000008.job.new", f->folder);
    snprintf(draft, sizeof draft, "%s/0000000000000009.txs.new", f->folder);
    snprintf(other, sizeof other, "%s/a-note.job.new", f->folder);
    close(open(draft, O_CREAT | O_WRONLY, 0600));
    close(open(unfinished, O_CREAT | O_WRONLY, 0600));
    close(open(other, O_CREAT | O_WRONLY, 0600));
    reopen(f, 8, 3600000);
    assert_true(f->seen_count == 1 && f->seen[0] == 7 && f->damaged == 0);
    assert_int_not_equal(access(unfinished, F_OK), 0);
    assert_int_not_equal(access(draft, F_OK), 0);
    assert_int_equal(unlink(other), 0); /* it is not ours */
}

static void a_folder_that_cannot_be_written_is_told_to_who_waits(void **state)
{
    struct fixture *f = *state;
    open_keep(f, 8, 3600000);
    assert_int_equal(rmdir(f->folder), 0);
    keep_job(f, 5);
    assert_true(f->failed == 1 && f->kept == 0 && !keep_has(f->keep, 5));
}

static void what_no_file_takes_is_refused_in_a_sentence(void **state)
{
    struct fixture *f = *state;
    enum { BYTES = (16 << 20) - 24 }; /* of a message, in a file of 16 MiB */
    struct error error = { 0 };
    uint8_t *bytes = calloc(1, BYTES + 1);
    assert_non_null(bytes);
    open_keep(f, 8, 3600000);
    assert_false(keep_write(f->keep, 5, NULL, span_of(bytes, BYTES + 1), on_kept, f, &error));
    assert_true(error.code == ERROR_FULL && strstr(error.text, "bytes") != NULL);
    assert_false(keep_has(f->keep, 5));
    assert_true(keep_write(f->keep, 6, NULL, span_of(bytes, BYTES), on_kept, f, &error));
    for (int i = 0; i < 5000 && f->kept + f->failed == 0; i++)
        loop_run_once(f->loop, 10);
    assert_true(f->kept == 1 && f->failed == 0);
    free(bytes);
}

static int begin(void **state)
{
    static struct fixture f;
    struct error error;
    f = (struct fixture){ .folder = "/tmp/adit-keep-XXXXXX" };
    assert_non_null(mkdtemp(f.folder));
    f.loop = loop_create(&error);
    assert_non_null(f.loop);
    *state = &f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    keep_destroy(f->keep);
    loop_destroy(f->loop);
    for (uint64_t id = 1; id < 16; id++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%016" PRIx64 ".job", f->folder, id);
        unlink(path);
        snprintf(path, sizeof path, "%s/%016" PRIx64 ".job", f->folder, 0x300000000 + id);
        unlink(path);
    }
    rmdir(f->folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_jobs_outlive_their_process_and_older_ones_go,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_job_goes_when_the_one_after_it_is_old_enough, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told_and_removed, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_told_and_stays, begin, end),
        cmocka_unit_test_setup_teardown(a_file_begun_before_its_job_is_known_holds_all_pieces,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_draft_that_lost_a_piece_makes_no_file, begin, end),
        cmocka_unit_test_setup_teardown(what_a_death_left_unfinished_is_removed, begin, end),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_is_told_to_who_waits, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_no_file_takes_is_refused_in_a_sentence, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
