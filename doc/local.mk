# SPDX-License-Identifier: MIT
# Man pages and documents.
#   dist_man_MANS += doc/NAME.1
#   dist_doc_DATA += doc/NAME.md
dist_man_MANS += doc/man/storefs.1
dist_doc_DATA += README.md doc/errors.md doc/exit-codes.md
dist_doc_DATA += doc/query.md
dist_doc_DATA += doc/decisions/dependencies.md doc/decisions/names-and-markers.md \
	doc/decisions/snapshots-in-sqlite.md doc/decisions/commit-at-close.md \
	doc/decisions/kernel-notifications.md
