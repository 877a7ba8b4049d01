# SPDX-License-Identifier: MIT
# Queries: stages, expressions, the evaluator, results as text.
# Sources and headers:  libstorefs_la_SOURCES += src/query/NAME.c src/query/NAME.h
libstorefs_la_SOURCES += \
	src/query/aggregate.c src/query/aggregate.h \
	src/query/arena.c src/query/arena.h \
	src/query/bounds.c src/query/bounds.h \
	src/query/builder.c \
	src/query/cover.c src/query/cover.h src/query/cover_groups.c \
	src/query/csv.c src/query/csv.h \
	src/query/csv_cell.c \
	src/query/cursors.c \
	src/query/document.c src/query/document.h \
	src/query/entries.c src/query/entries.h \
	src/query/evaluate.c \
	src/query/explain.c \
	src/query/expression.h \
	src/query/field.c src/query/field.h \
	src/query/fold.c src/query/fold.h \
	src/query/grammar.c \
	src/query/group.c src/query/group.h src/query/group_rows.c \
	src/query/guard.c src/query/guard.h \
	src/query/has.c \
	src/query/index_check.c \
	src/query/index_definition.c src/query/index_fields.h \
	src/query/index_values.c src/query/index_values.h \
	src/query/parse.c \
	src/query/plan.c src/query/plan.h src/query/plan_count.c \
	src/query/plan_ranges.c src/query/plan_ranges.h src/query/plan_rows.c \
	src/query/print.c \
	src/query/print_path.c \
	src/query/query.c \
	src/query/reader.c src/query/reader.h \
	src/query/regex.c src/query/regex.h \
	src/query/results.c \
	src/query/row.c src/query/row.h \
	src/query/run.c src/query/run.h \
	src/query/runs.c src/query/runs.h \
	src/query/sample.c \
	src/query/select.c \
	src/query/sort.c \
	src/query/sort_key.c src/query/sort_key.h \
	src/query/sort_key_form.h \
	src/query/sort_key_number.c \
	src/query/sort_key_read.c \
	src/query/sorter.c src/query/sorter.h \
	src/query/spool.c src/query/spool.h \
	src/query/stage_fields.c \
	src/query/stages.h \
	src/query/sum.c src/query/sum.h \
	src/query/summary.c \
	src/query/text.c src/query/text.h \
	src/query/text_lines.c \
	src/query/text_rows.c \
	src/query/value.c src/query/value.h \
	src/query/view.c
