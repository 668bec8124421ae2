/* SPDX-License-Identifier: Apache-2.0 */
/* campaign [OPTION…] [SEED] [N]: runs schedules SEED … SEED + N - 1. */
#include "campaign.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openvswitch/vlog.h>

/* Failures that begin with as many equal characters are the same. */
#define SAME 12

static double
now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* In a process of its own, so that one that crashes counts as failed. */
static bool
fails_apart(const struct campaign *plan, char *failure, size_t size,
            FILE *trace)
{
    int fds[2];
    ssize_t n;
    int status;
    pid_t pid;

    if (pipe(fds)) {
        abort();
    }
    (void) fflush(NULL);
    pid = fork();
    if (!pid) {
        char text[512] = "";
        bool ok = schedule_run(plan, text, sizeof text, trace);

        if (trace) {
            (void) fflush(trace);
        }
        (void) !write(fds[1], text, strlen(text) + 1);
        _exit(ok ? 0 : 1);
    }
    (void) close(fds[1]);
    n = read(fds[0], failure, size - 1);
    failure[n > 0 ? n : 0] = '\0';
    (void) close(fds[0]);
    (void) waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return false;
    }
    if (!failure[0]) {
        (void) snprintf(failure, size, "crashed (status %#x)",
                        (unsigned int) status);
    }
    return true;
}

/* Leaves actions out for as long as the schedule fails in the same way. */
static void
shorten(struct campaign *plan, const char *original)
{
    char failure[512];

    for (size_t part = plan->n_actions / 2; part; part /= 2) {
        for (size_t at = 0; at < plan->n_actions; at += part) {
            struct campaign *shorter = malloc(sizeof *shorter);
            bool any_left = false;

            if (!shorter) {
                abort();
            }
            *shorter = *plan;
            for (size_t i = at; i < at + part && i < plan->n_actions; i++) {
                any_left |= !shorter->actions[i].is_out;
                shorter->actions[i].is_out = true;
            }
            if (any_left && fails_apart(shorter, failure, sizeof failure, NULL)
                && !strncmp(failure, original, SAME)) {
                *plan = *shorter;
            }
            free(shorter);
        }
    }
}

static void
tell(struct campaign *plan, const char *failure, bool is_verbose)
{
    char now[512];

    printf("seed %llu: %s\n", (unsigned long long) plan->seed, failure);
    (void) fflush(stdout);
    shorten(plan, failure);
    printf("shortened: --only=");
    for (size_t i = 0, n = 0; i < plan->n_actions; i++) {
        if (!plan->actions[i].is_out) {
            printf("%s%zu", n++ ? "," : "", i);
        }
    }
    putchar('\n');
    if (fails_apart(plan, now, sizeof now, is_verbose ? stdout : NULL)) {
        printf("then: %s\n", now);
    }
    (void) fflush(stdout);
}

static void
keep_only(struct campaign *plan, const char *list)
{
    char *copy = strdup(list);

    for (size_t i = 0; i < plan->n_actions; i++) {
        plan->actions[i].is_out = true;
    }
    for (char *save, *word = strtok_r(copy, ",", &save); word;
         word = strtok_r(NULL, ",", &save)) {
        size_t i = strtoul(word, NULL, 10);

        if (i < plan->n_actions) {
            plan->actions[i].is_out = false;
        }
    }
    free(copy);
}

static void
print_tally(double seconds, unsigned long n_failed)
{
    printf(
        "%llu schedules, %lu failed, %llu compared (%llu with a policy "
        "at the end, %llu facts, %llu of which may and do differ), "
        "%llu devices were ready, "
        "%llu second runs (%llu beside steps that the host "
        "refuses); %llu actions, "
        "%llu kills, %llu turns, "
        "%llu steps (%llu failed, %llu stuck), %llu transactions, %llu "
        "commands, %.0f h simulated, in %.1f s\n",
        (unsigned long long) tally.schedules, n_failed,
        (unsigned long long) tally.compared,
        (unsigned long long) tally.configured,
        (unsigned long long) tally.facts, (unsigned long long) tally.excused,
        (unsigned long long) tally.ready,
        (unsigned long long) tally.second_runs,
        (unsigned long long) tally.refused, (unsigned long long) tally.actions,
        (unsigned long long) tally.kills, (unsigned long long) tally.turns,
        (unsigned long long) tally.steps, (unsigned long long) tally.failures,
        (unsigned long long) tally.stuck, (unsigned long long) tally.commits,
        (unsigned long long) tally.requests,
        (double) tally.simulated_ns / 3.6e12, seconds);
}

/* Whether as much was looked at as in any series of some length. */
static bool
is_plausible(void)
{
    uint64_t n = tally.schedules;

    if (n < 100
        || (tally.second_runs >= n - n / 20 && tally.compared >= n / 2
            && tally.configured >= n / 4)) {
        return true;
    }
    printf("too few ends were compared, or second runs made\n");
    return false;
}

/* The number that an argument is; it ends with usage when it is none. */
static uint64_t
parse_number(const char *text)
{
    unsigned long long value;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9') {
        fprintf(stderr, "campaign: '%s' is no number, see --help\n", text);
        exit(2);
    }
    return value;
}

int
main(int argc, char *argv[])
{
    static const struct option options[] = {
        { "only", required_argument, NULL, 'o' },
        { "trace", no_argument, NULL, 't' },
        { "limit", required_argument, NULL, 'l' },
        { "quick", no_argument, NULL, 'q' },
        { NULL, 0, NULL, 0 },
    };
    const char *only = NULL;
    bool is_traced = false;
    bool is_short = true; /* Failing schedules are shortened. */
    unsigned long limit = 5, n_failed = 0;
    double begin = now_s();
    uint64_t seed, n;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            only = optarg;
            break;
        case 't':
            is_traced = true;
            break;
        case 'q':
            is_short = false;
            break;
        case 'l':
            limit = parse_number(optarg);
            break;
        default:
            fprintf(stderr,
                    "usage: campaign [--trace] [--quick] [--limit=FAILURES] "
                    "[--only=ACTION,…] [SEED] [N]\n");
            return 2;
        }
    }
    seed = optind < argc ? parse_number(argv[optind]) : 1;
    n = optind + 1 < argc   ? parse_number(argv[optind + 1])
        : only || is_traced ? 1
                            : 200;
    if (argc - optind > 2 || !n || !limit) {
        fprintf(stderr, "campaign: SEED and N, at least 1 schedule and 1 "
                        "failure, see --help\n");
        return 2;
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    for (uint64_t i = 0; i < n && n_failed < limit; i++) {
        static struct campaign plan;
        char failure[512];

        schedule_make(&plan, seed + i);
        if (only) {
            keep_only(&plan, only);
        }
        if (!schedule_run(&plan, failure, sizeof failure,
                          is_traced ? stdout : NULL)) {
            n_failed++;
            if (only || is_traced || !is_short) {
                printf("seed %llu: %s\n", (unsigned long long) plan.seed,
                       failure);
            } else {
                tell(&plan, failure, false);
            }
        }
    }
    print_tally(now_s() - begin, n_failed);
    if (!n_failed && !is_plausible()) {
        return 1;
    }
    (void) fflush(NULL);
    if (n_failed) {
        _exit(1); /* What failed was left in the middle: it leaks. */
    }
    return 0;
}
