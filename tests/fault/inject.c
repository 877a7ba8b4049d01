/* SPDX-License-Identifier: MIT */
/* See inject.h: the countdown. */
#include "tests/fault/inject.h"

static struct {
    unsigned kinds;
    unsigned long skip;
    enum inject_mode mode;
    bool fired;
} armed;

void inject_arm(unsigned kinds, unsigned long skip, enum inject_mode mode)
{
    armed.kinds = kinds;
    armed.skip = skip;
    armed.mode = mode;
    armed.fired = false;
}

bool inject_disarm(void)
{
    armed.kinds = 0;
    return armed.fired;
}

bool inject_now(enum inject_kind kind)
{
    if (!(armed.kinds & (unsigned)kind))
        return false;
    if (armed.fired)
        return armed.mode == INJECT_ONWARD;
    if (armed.skip > 0) {
        armed.skip--;
        return false;
    }
    armed.fired = true;
    return true;
}
