/* The order of life:
 *
 *   start   child 0 … n-1, each only when the one before it is ready; one that ends before it was
 *           ever ready makes the whole start fail with its own sentence
 *   run     whatever ends is started again: at once where it had served, else after a delay that
 *           doubles up to ten seconds; what hangs is ended for that
 *   stop    child n-1 … 0, each only when the one after it has ended: SIGTERM, then SIGKILL
 */
#include "supervisor.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "prepare.h"
#include "view.h"

enum { TICK_MS = 50, KILL_AFTER_MS = 8000, ROTATE_TICKS = 200 };

struct supervisor {
    struct plan *plan;
    struct loop *loop;
    struct loop_timer tick;
    struct loop_source signals;
    struct view *view; /* NULL: not watching */
    bool watch;
    bool stopping;
    bool ready; /* all were ready once */
    int exit_code;
    size_t next;           /* the child being started */
    uint64_t deadline_ms;  /* for it to become ready */
    uint64_t stop_sent_ms; /* when the child being stopped got its SIGTERM; 0: not yet */
    unsigned ticks;
    uint64_t looked_ms;      /* when the last tick was */
    uint64_t processes_mark; /* of what run/processes says */
    void (*announce)(void *context);
    void *announce_context;
};

static void say(struct supervisor *self, const char *text)
{
    if (self->view != NULL)
        view_line(self->view, text);
    else
        printf("%s\n", text);
    fflush(stdout);
}

/* run/processes: one line a process, for the scheduler's health, `adit status`, tests, and the
 * operator at 3 a.m.: name, instance, pid, state, restarts, attempts, begun, ended and next try
 * (unix milliseconds, 0: none), and why it ended, to the line's end. */
static void write_processes(struct supervisor *self)
{
    char path[200], fresh[210];
    snprintf(path, sizeof path, "%s/processes", self->plan->run_dir);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    if (file == NULL)
        return;
    for (size_t i = 0; i < self->plan->count; i++) {
        const struct child *child = &self->plan->children[i];
        fprintf(file, "%s %s %d %s %u %u %" PRIu64 " %" PRIu64 " %" PRIu64 "%s%s\n", child->name,
                child->instance, (int)child->pid,
                child->hung ? "hung" : child_state_name(child->state), child->restarts,
                child->attempts, child->begun_unix_ms, child->ended_unix_ms,
                child_next_unix_ms(child), child->last_end[0] != '\0' ? " " : "", child->last_end);
    }
    if (fclose(file) != 0 || rename(fresh, path) != 0)
        unlink(fresh);
}

/* A number that changes whenever a line of run/processes would. */
static uint64_t processes_mark(const struct supervisor *self)
{
    uint64_t mark = 1;
    for (size_t i = 0; i < self->plan->count; i++) {
        const struct child *child = &self->plan->children[i];
        mark = mark * 1099511628211u + (uint64_t)child->pid * 8 + (uint64_t)child->state;
        mark = mark * 1099511628211u + child->attempts * 2 + child->hung;
    }
    return mark;
}

static void begin_stop(struct supervisor *self, int exit_code)
{
    if (self->stopping)
        return;
    self->stopping = true;
    self->exit_code = exit_code;
    self->stop_sent_ms = 0;
    if (self->view != NULL) {
        view_destroy(self->view);
        self->view = NULL;
    }
    printf("adit: stopping\n");
    fflush(stdout);
}

static void fail(struct supervisor *self, int exit_code, const char *sentence)
{
    begin_stop(self, exit_code);
    fprintf(stderr, "adit: %s\n", sentence);
}

static void start_next(struct supervisor *self)
{
    struct plan *plan = self->plan;
    struct child *child = &plan->children[self->next];
    struct error error;
    char line[200];
    if (plan->devnode && plan->settings.chain_address[0] == '\0' &&
        strcmp(child->name, "inode-scheduler") == 0 && strcmp(child->instance, "1") == 0 &&
        !prepare_address(&plan->settings, &error)) {
        fail(self, SUPERVISE_PART, error.text);
        return;
    }
    snprintf(line, sizeof line, "adit: starting %s%s%s", child->name,
             strcmp(child->instance, "1") == 0 ? "" : " ",
             strcmp(child->instance, "1") == 0 ? "" : child->instance);
    say(self, line);
    self->deadline_ms =
        loop_now_ms(self->loop) + ((uint64_t)plan->settings.startup_deadline_s + 10) * 1000;
    if (!child_open(child, self->loop, plan->run_dir, &error) || !child_start(child, &error))
        fail(self, SUPERVISE_PART, error.text);
}

static void all_ready(struct supervisor *self)
{
    self->ready = true;
    self->announce(self->announce_context);
    if (self->watch)
        self->view = view_create(self->loop, self->plan);
}

static void tick_start(struct supervisor *self)
{
    struct plan *plan = self->plan;
    struct child *child = &plan->children[self->next];
    child_probe(child);
    if (child->state == CHILD_RUNNING) {
        if (++self->next == plan->count)
            all_ready(self);
        else
            start_next(self);
    } else if (loop_now_ms(self->loop) > self->deadline_ms) {
        char sentence[800];
        snprintf(sentence, sizeof sentence, "%s did not become ready in time%s%s: see %s",
                 child->name, child->status[0] == '\0' ? "" : ", last it said: ", child->status,
                 child->log_path);
        fail(self, SUPERVISE_PART, sentence);
    }
}

static void start_again_when_due(struct supervisor *self, struct child *child)
{
    uint64_t now = loop_now_ms(self->loop);
    struct error error;
    if (child->state == CHILD_WAITING && now >= child->start_again_ms &&
        !child_start(child, &error)) {
        say(self, error.text);
        child->start_again_ms = now + CHILD_BACKOFF_LAST_MS;
    }
}

static void look_for_hang(struct supervisor *self, struct child *child, uint64_t passed_ms)
{
    char line[200];
    if (!child_watch(child, passed_ms))
        return;
    snprintf(line, sizeof line,
             "adit: %s %s hangs (%" PRIu64 " s without a sign of life), ending it", child->name,
             child->instance, child->silent_ms / 1000);
    say(self, line);
}

static void tick_run(struct supervisor *self)
{
    const uint64_t now = loop_now_ms(self->loop);
    const uint64_t passed_ms = self->looked_ms != 0 ? now - self->looked_ms : 0;
    self->looked_ms = now;
    for (size_t i = 0; i < self->plan->count; i++) {
        struct child *child = &self->plan->children[i];
        child_probe(child);
        child_settle(child);
        look_for_hang(self, child, passed_ms);
        start_again_when_due(self, child);
        if (self->ticks % ROTATE_TICKS == 0)
            child_rotate_log(child);
    }
}

static void tick_stop(struct supervisor *self)
{
    uint64_t now = loop_now_ms(self->loop);
    for (size_t i = self->plan->count; i-- > 0;) {
        struct child *child = &self->plan->children[i];
        if (child->pid == 0) {
            child->state = CHILD_ENDED;
            continue;
        }
        if (child->state != CHILD_STOPPING) {
            child->state = CHILD_STOPPING;
            child_signal(child, SIGTERM);
            self->stop_sent_ms = now;
        } else if (now - self->stop_sent_ms > KILL_AFTER_MS) {
            printf("adit: %s does not stop, killing it\n", child->name);
            child_signal(child, SIGKILL);
            self->stop_sent_ms = now;
        }
        return;
    }
    loop_stop(self->loop);
}

static void on_tick(void *context)
{
    struct supervisor *self = context;
    self->ticks++;
    uint64_t mark = processes_mark(self);
    if (mark != self->processes_mark) {
        self->processes_mark = mark;
        write_processes(self);
    }
    if (self->stopping)
        tick_stop(self);
    else if (self->ready)
        tick_run(self);
    else
        tick_start(self);
}

static void on_child_ended(struct supervisor *self, struct child *child, int status)
{
    bool early = !self->ready && !self->stopping;
    child_ended(child, status);
    if (self->stopping)
        return;
    char how[64], words[600], sentence[900];
    child_describe_end(status, how, sizeof how);
    if (early) {
        const bool said = WIFEXITED(status) && WEXITSTATUS(status) != 0;
        child_last_words(child, words, sizeof words);
        snprintf(sentence, sizeof sentence, "%s: %s (%s)", child->name,
                 words[0] == '\0' ? "it ended and said nothing" : words, how);
        fail(self, said ? WEXITSTATUS(status) : SUPERVISE_PART, sentence);
        return;
    }
    snprintf(sentence, sizeof sentence, "adit: %s %s ended (%s), starting it again", child->name,
             child->instance, how);
    say(self, sentence);
    start_again_when_due(self, child);
}

static void on_signal(void *context, uint32_t ready)
{
    (void)ready;
    struct supervisor *self = context;
    struct signalfd_siginfo info;
    while (read(self->signals.fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD) {
            begin_stop(self, 0);
            continue;
        }
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
            for (size_t i = 0; i < self->plan->count; i++)
                if (self->plan->children[i].pid == pid)
                    on_child_ended(self, &self->plan->children[i], status);
    }
}

static bool open_loop(struct supervisor *self, struct error *error)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    self->loop = loop_create(error);
    if (self->loop == NULL)
        return false;
    self->signals = (struct loop_source){ .fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC),
                                          .on_ready = on_signal,
                                          .context = self };
    if (self->signals.fd < 0)
        return error_system(error, errno, "signalfd");
    if (!loop_add(self->loop, &self->signals, EPOLLIN, error))
        return false;
    self->tick = (struct loop_timer){ .on_due = on_tick, .context = self };
    loop_timer_start(self->loop, &self->tick, TICK_MS, TICK_MS);
    return true;
}

int supervise(struct plan *plan, bool watch, void (*announce)(void *context), void *context)
{
    struct supervisor self = {
        .plan = plan, .watch = watch, .announce = announce, .announce_context = context
    };
    struct error error;
    char processes[200];
    snprintf(processes, sizeof processes, "%s/processes", plan->run_dir);
    setenv("ADIT_PROCESSES", processes, 1); /* the children's, who show it to people */
    if (!open_loop(&self, &error)) {
        fprintf(stderr, "adit: %s\n", error.text);
        return 1;
    }
    start_next(&self);
    loop_run(self.loop);
    printf("adit: stopped\n");
    loop_timer_stop(self.loop, &self.tick);
    loop_remove(self.loop, &self.signals);
    close(self.signals.fd);
    plan_deinit(plan);
    loop_destroy(self.loop);
    return self.exit_code;
}
