# SPDX-License-Identifier: MIT
# Man pages and documents.
#   dist_man_MANS += doc/NAME.1
#   dist_doc_DATA += doc/NAME.md
dist_man_MANS += doc/man/storefs.1
dist_doc_DATA += README.md doc/errors.md doc/exit-codes.md
dist_doc_DATA += doc/query.md
