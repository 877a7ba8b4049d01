/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_EXPORT_H
#define STOREFS_EXPORT_H

/*
 * The library is compiled with hidden visibility; SFS_API, at the beginning of a declaration, marks
 * what a program may link to, also one in C++.
 * SFS_PRINTF lets the compiler check the arguments of a format.
 */
#ifdef __cplusplus
#define SFS_API extern "C" __attribute__((visibility("default")))
#else
#define SFS_API __attribute__((visibility("default")))
#endif
#define SFS_PRINTF(at, first) __attribute__((format(printf, at, first)))
#define SFS_MUST_CHECK __attribute__((warn_unused_result))

#endif
