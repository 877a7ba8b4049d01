/* SPDX-License-Identifier: MIT */
/* Leases and stages of a SQLite store after a reboot, and those of a living process in a container
 * with a boot id or clocks of its own, or without /proc. */
#include "tests/unit/clock_machine.h"

#define DAY (INT64_C(24) * 3600)
#define ROWS "SELECT (SELECT count(*) FROM lease) + (SELECT count(*) FROM stage)"

/* Starts a process that sees the machine `own`, and calls hold() in it. */
static struct neighbour start_holder(struct fixture *fixture, struct machine *own)
{
    set(fixture->store, "a", "1");
    close_store(fixture->store);
    fixture->store = NULL;
    struct neighbour neighbour = start(fixture->path, "there", own);
    ask(&neighbour, "oh");
    assert_true(number_in(fixture, ROWS) >= 3);
    return neighbour;
}

/* Our opening and check leave the living process what it holds. */
static void expect_kept(struct fixture *fixture, struct machine *own)
{
    struct neighbour neighbour = start_holder(fixture, own);
    struct held held = {.name = "here", .store = open_again(fixture)};
    fixture->store = held.store;
    set(held.store, "a", "2");
    assert_true(check(&held));
    ask(&neighbour, "f");
    ask(&neighbour, "vc");
    end(&neighbour, 0);
    expect_healthy(held.store);
}

static struct machine *other_boot(void)
{
    struct machine *own = machine_new();
    strcpy(own->boot_id, "00000000-0000-4000-8000-000000000000\n");
    return own;
}

/* A container that is given a boot id of its own. */
static void test_other_boot_alive(void **state)
{
    expect_kept(*state, other_boot());
}

static void test_no_proc_alive(void **state)
{
    struct machine *own = machine_new();
    own->no_proc = true;
    expect_kept(*state, own);
}

/* In a time namespace the clocks show something else, and are meant to be the same. */
static void test_time_namespace(void **state)
{
    struct fixture *fixture = *state;
    struct machine *own = machine_new();
    own->monotonic = own->boot = 5000000;
    strcpy(own->offsets, "monotonic     5000000         0\nboottime      5000000         0\n");
    set(fixture->store, "a", "1");
    struct sfs_storage *snapshot = NULL;
    assert_int_equal(sfs_snapshot(fixture->store, 0, &snapshot, NULL), 0);
    long long ours = number_in(fixture, "SELECT max(expires) FROM lease") / 1000000000;
    close_store(snapshot);
    struct neighbour neighbour = start_holder(fixture, own);
    long long theirs = number_in(fixture, "SELECT max(expires) FROM lease") / 1000000000;
    assert_true(llabs(ours - theirs) < 600);
    end(&neighbour, SIGKILL);
    fixture->store = open_again(fixture);
    expect_kept(fixture, own);
}

/* After a reboot the clock of leases begins again, and all leases of before have ended. */
static void expect_over(struct fixture *fixture, struct machine *own)
{
    own->monotonic = own->boot = 5000000;
    struct neighbour neighbour = start_holder(fixture, own);
    end(&neighbour, SIGKILL);
    assert_true(number_in(fixture, ROWS) >= 3);
    fixture->store = open_again(fixture);
    assert_int_equal(number_in(fixture, ROWS), 0);
    expect(fixture->store, "a", "1");
    expect(fixture->store, "there-0", NULL);
    eventually(fixture, "SELECT count(*) FROM block", 0);
    expect_healthy(fixture->store);
}

static void test_started_again(void **state)
{
    expect_over(*state, other_boot());
}

static void test_started_again_without_proc(void **state)
{
    struct machine *own = machine_new();
    own->no_proc = true;
    expect_over(*state, own);
}

/* A dead process of another boot, while the store is open elsewhere: time ends its rows. */
static void test_time_decides(void **state)
{
    struct fixture *fixture = *state;
    struct neighbour neighbour = start_holder(fixture, other_boot());
    struct neighbour looker = start(fixture->path, "looker", NULL);
    ask(&looker, "of");
    end(&neighbour, SIGKILL);
    fixture->store = open_again(fixture);
    struct held held = {.name = "here", .store = fixture->store};
    assert_true(check(&held));
    assert_true(number_in(fixture, ROWS) >= 3);
    machine->real = machine->boot = 3 * DAY;
    assert_true(check(&held));
    set(held.store, "b", "1");
    assert_true(number_in(fixture, ROWS) >= 3);
    machine->monotonic = 2 * DAY;
    assert_true(check(&held));
    set(held.store, "b", "2");
    eventually(fixture, ROWS, 0);
    ask(&looker, "c");
    end(&looker, 0);
    *machine = (struct machine){0};
}

/* --- a staged value that has expired --- */

/* It is an error, never read as the zeros of its removed chunks. */
static void test_stage_is_over(void **state)
{
    struct fixture *fixture = *state;
    struct sfs_stage *stage = NULL;
    struct sfs_batch *batch = new_batch();
    char *data = pattern();
    const struct sfs_part part = {.source = SFS_PART_STAGE, .offset = 100, .size = LARGE};
    set(fixture->store, "a", "1");
    assert_int_equal(sfs_stage_open(fixture->store, &stage, NULL), 0);
    assert_int_equal(sfs_stage_write(stage, 0, sfs_bytes(data, LARGE), NULL), 0);
    assert_int_equal(
        sfs_batch_patch(batch, SFS_LITERAL("a"), &part, 1, sfs_bytes(NULL, 0), stage, 0, NULL), 0);
    machine->monotonic = 2 * DAY;
    struct held held = {.name = "here", .store = fixture->store};
    assert_true(check(&held));
    eventually(fixture, "SELECT count(*) FROM stage", 0);
    eventually(fixture, "SELECT count(*) FROM chunk", 0);
    assert_int_equal(sfs_stage_read(stage, 0, data, LARGE, NULL), SFS_E_EXPIRED);
    assert_int_equal(sfs_apply(fixture->store, batch, NULL, NULL, NULL), SFS_E_EXPIRED);
    expect(fixture->store, "a", "1");
    sfs_batch_free(batch);
    sfs_stage_close(stage);
    free(data);
    *machine = (struct machine){0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_other_boot_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_proc_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_namespace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_started_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_started_again_without_proc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stage_is_over, set_up, tear_down),
    };
    machine = machine_new();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
