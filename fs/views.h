/* SPDX-License-Identifier: MIT */
#ifndef STOREFS_FS_VIEWS_H
#define STOREFS_FS_VIEWS_H

/*
 * Views are symbolic links that belong to the store and to no place in keys/: each is an extended attribute
 * of the root's marker, of this name and the view's; its value is the target.
 */
#define FS_VIEW_PREFIX "storefs.view."

#endif
