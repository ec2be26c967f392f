// Tasks shared among threads: those of the OpenMP runtime that torch has loaded, so that no second pool competes
// with it; threads of our own where there is none, and after a fork, which OpenMP's do not survive.
#pragma once

#include "interface.h"

namespace windowconv {

using Task = void (*)(void *context, int64_t task, float *scratch);

// Calls task(context, 0 ... tasks - 1, that thread's scratch) on run.threads threads, each index once.
void run_tasks(int64_t tasks, const wc_run &run, Task task, void *context);

template <class Body>
inline __attribute__((always_inline)) void parallel(int64_t tasks, const wc_run &run, const Body &body) {
    run_tasks(
        tasks, run,
        [](void *context, int64_t task, float *scratch) { (*static_cast<const Body *>(context))(task, scratch); },
        const_cast<void *>(static_cast<const void *>(&body)));
}

}  // namespace windowconv
