# SPDX-License-Identifier: MIT
# What programs may use of libstorefs, one header an idea; backend.h is for implementers only.
# Public headers, installed as <storefs/NAME.h>:  storefsinclude_HEADERS += src/include/storefs/NAME.h
storefsinclude_HEADERS += src/include/storefs/attribute_index.h
storefsinclude_HEADERS += src/include/storefs/batch.h
storefsinclude_HEADERS += src/include/storefs/bytes.h
storefsinclude_HEADERS += src/include/storefs/error.h
storefsinclude_HEADERS += src/include/storefs/export.h
storefsinclude_HEADERS += src/include/storefs/record.h
storefsinclude_HEADERS += src/include/storefs/storage.h
storefsinclude_HEADERS += src/include/storefs/backend.h
storefsinclude_HEADERS += src/include/storefs/bulk.h
storefsinclude_HEADERS += src/include/storefs/index.h
storefsinclude_HEADERS += src/include/storefs/document.h
storefsinclude_HEADERS += src/include/storefs/layers.h
storefsinclude_HEADERS += src/include/storefs/path.h
storefsinclude_HEADERS += src/include/storefs/query.h
storefsinclude_HEADERS += src/include/storefs/storefs.h
storefsinclude_HEADERS += src/include/storefs/transaction.h
storefsinclude_HEADERS += src/include/storefs/builder.h
storefsinclude_HEADERS += src/include/storefs/query_stages.h
storefsinclude_HEADERS += src/include/storefs/notes.h
