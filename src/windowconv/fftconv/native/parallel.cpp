#include "parallel.h"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace windowconv {

namespace {

struct Team {
    std::atomic<int64_t> next{0};
    std::atomic<int> members{0};
    int64_t tasks;
    const wc_run *run;
    Task task;
    void *context;
};

void work(void *data) {
    Team &team = *static_cast<Team *>(data);
    int member = team.members.fetch_add(1);
    if (member >= team.run->threads) return;  // a runtime that starts more threads than asked for
    float *scratch = reinterpret_cast<float *>(static_cast<char *>(team.run->scratch) +
                                               member * team.run->scratch_bytes);
    for (int64_t i; (i = team.next.fetch_add(1)) < team.tasks;) team.task(team.context, i, scratch);
}

std::atomic<bool> forked{false};

// From the start: a fork may follow on work that torch alone has shared among the runtime's threads.
__attribute__((constructor)) void watch_forks() {
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
}

// The entry that compilers call for `#pragma omp parallel`; libgomp, LLVM's and Intel's runtimes all have it.
using Parallel = void (*)(void (*)(void *), void *, unsigned, unsigned);

Parallel openmp() {
    static Parallel found = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    return found;
}

void work_with_threads(Team &team, int threads) {
    std::vector<std::thread> others;
    try {
        for (int i = 1; i < threads; i++) others.emplace_back(work, &team);
    } catch (const std::system_error &) {
        // no more threads to be had: those that there are do it all
    }
    work(&team);
    for (auto &thread : others) thread.join();
}

}  // namespace

void run_tasks(int64_t tasks, const wc_run &run, Task task, void *context) {
    Team team;
    team.tasks = tasks, team.run = &run, team.task = task, team.context = context;
    int threads = int(std::min<int64_t>(run.threads, tasks));
    Parallel parallel = openmp();
    if (threads <= 1) {
        work(&team);
    } else if (parallel && !forked) {
        parallel(work, &team, unsigned(threads), 0);
    } else {
        work_with_threads(team, threads);
    }
}

}  // namespace windowconv
