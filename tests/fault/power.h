/* SPDX-License-Identifier: MIT */
#ifndef FAULT_POWER_H
#define FAULT_POWER_H

/*
 * A power cut. In a program that is linked with power.c every write, truncation, rename, removal and sync below one
 * directory is noted, in order, whoever makes it: the library, or SQLite. From that the directory can be made as
 * a disk might show it after a cut: what was synced is there, of what came later anything may be. The disk keeps
 * sectors of 512 bytes whole, and names in the order in which they changed; a name is safe once its
 * directory was synced. Nothing waits for the real disk. (The idea is that of ALICE and of SQLite's crash tests.)
 */
#include <stdbool.h>
#include <stddef.h>

enum power_loss {
    POWER_LOSES_ALL,     /* all that was not synced */
    POWER_LOSES_TAIL,    /* of each file, all behind some point */
    POWER_LOSES_SECTORS, /* of each file, any sectors */
    POWER_LOSES_NOTHING, /* not a cut but a crash */
};
#define POWER_LOSSES 4

/* Begins to note what happens right in this directory. */
void power_record(const char *directory);
/* How much has happened so far. Thread-safe. */
size_t power_now(void);
/* Makes `target`, which must not exist, as the disk shows it when the power went at `moment`. */
void power_cut(size_t moment, enum power_loss loss, unsigned seed, const char *target);
/* Forgets everything. */
void power_end(void);

#endif
