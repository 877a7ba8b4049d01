# SPDX-License-Identifier: MIT
# What a call must be refused with, for the programs beside this one.


def refuses(number, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == number, error
    else:
        raise AssertionError(f"{function} {arguments} succeeded")
