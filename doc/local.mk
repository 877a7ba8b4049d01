# SPDX-License-Identifier: MIT
# Man pages and documents for users and for people who work on storefs.
#   dist_man_MANS += doc/man/NAME.1
#   dist_doc_DATA += doc/NAME.md
#   dist_modulesdoc_DATA += doc/modules/NAME.md       one page a module
#   dist_decisionsdoc_DATA += doc/decisions/NAME.md   one page a decision
#   dist_examplesdoc_DATA += doc/examples/NAME.c      each compiled and run by a test
dist_man_MANS += doc/man/storefs.1
dist_doc_DATA += README.md doc/errors.md doc/exit-codes.md
dist_doc_DATA += doc/query.md doc/isolation.md
modulesdocdir = $(docdir)/modules
dist_modulesdoc_DATA = doc/modules/bulk.md doc/modules/core.md doc/modules/fs.md doc/modules/json.md \
	doc/modules/layers.md doc/modules/memory.md doc/modules/memory-engine.md doc/modules/query.md \
	doc/modules/sqlite.md doc/modules/tests.md doc/modules/tools.md doc/modules/txn.md
decisionsdocdir = $(docdir)/decisions
dist_decisionsdoc_DATA = doc/decisions/dependencies.md doc/decisions/names-and-markers.md \
	doc/decisions/snapshots-in-sqlite.md doc/decisions/commit-at-close.md \
	doc/decisions/kernel-notifications.md doc/decisions/owners-of-leases.md \
	doc/decisions/cost-of-a-commit.md
examplesdocdir = $(docdir)/examples
dist_examplesdoc_DATA = doc/examples/library.c
