/* SPDX-License-Identifier: MIT */
/* From the library's error codes to exit codes. */
#include "tools/exit.h"

#include "storefs/error.h"

int tool_exit_of(int code)
{
    switch (code) {
    case SFS_OK:
        return TOOL_OK;
    case SFS_E_NOT_FOUND:
    case SFS_E_NO_ATTRIBUTE:
        return TOOL_FALSE;
    case SFS_E_NOT_A_STORE:
    case SFS_E_TOO_NEW:
        return TOOL_REFUSED;
    default:
        break;
    }
    switch (sfs_code_category(code)) {
    case SFS_CATEGORY_VALIDATION:
        return TOOL_USAGE;
    case SFS_CATEGORY_OPERATION:
        return TOOL_REFUSED;
    case SFS_CATEGORY_TRANSACTION:
        return TOOL_CONFLICT;
    case SFS_CATEGORY_CONSISTENCY:
        return TOOL_DAMAGED;
    case SFS_CATEGORY_RESOURCE:
        return TOOL_RESOURCE;
    case SFS_CATEGORY_CONNECTION:
        return TOOL_UNREACHABLE;
    case SFS_CATEGORY_NONE:
    case SFS_CATEGORY_IO:
        break;
    }
    return TOOL_IO;
}
