# SPDX-License-Identifier: MIT
# Queries: stages, expressions, the evaluator, results as text.
# Sources and headers:  libstorefs_la_SOURCES += src/query/NAME.c src/query/NAME.h
libstorefs_la_SOURCES += \
	src/query/arena.c src/query/arena.h \
	src/query/bounds.c src/query/bounds.h \
	src/query/cursors.c \
	src/query/evaluate.c \
	src/query/explain.c \
	src/query/expression.h \
	src/query/field.c src/query/field.h \
	src/query/grammar.c \
	src/query/index_check.c \
	src/query/index_definition.c src/query/index_fields.h \
	src/query/index_values.c src/query/index_values.h \
	src/query/parse.c \
	src/query/plan.c src/query/plan.h src/query/plan_count.c \
	src/query/plan_ranges.c src/query/plan_ranges.h src/query/plan_rows.c \
	src/query/print.c \
	src/query/query.c \
	src/query/reader.c src/query/reader.h \
	src/query/run.c src/query/run.h \
	src/query/sample.c \
	src/query/sort.c \
	src/query/sort_key.c src/query/sort_key.h src/query/sort_key_form.h \
	src/query/sort_key_number.c src/query/sort_key_read.c \
	src/query/stage_order.c src/query/stages.h \
	src/query/text.c \
	src/query/value.c src/query/value.h
libstorefs_la_SOURCES += src/query/has.c
