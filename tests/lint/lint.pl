#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# lint.pl ROOT: checks the rules of the house (CONTRIBUTING.md) in the source tree ROOT: who may
# include whom, no cycles among headers, lengths of files and functions, a head on every file,
# no open ends, no printing in the library, and every file named in a local.mk. Prints one line
# for each breach, "FILE:LINE: what is wrong", and exits 1 if there was one.
use strict;
use warnings;

my $max_file = 600;
my $max_function = 60;
my @areas = qw(src backends fs tools tests);

# Which quoted includes a directory may use: prefixes, besides its own.
my %allowed = (
    'src/include'     => ['storefs/'],
    'src/util'        => ['util/', 'storefs/bytes.h', 'storefs/error.h', 'storefs/export.h'],
    'src/core'        => ['core/', 'util/', 'storefs/'],
    # Transactions note a query by its filters, which its own evaluator judges.
    'src/txn'         => ['core/', 'util/', 'query/', 'storefs/'],
    'backends'        => ['util/', 'storefs/'],
    'fs'              => ['fs/', 'storefs/'],
    'tools'           => ['tools/', 'fs/', 'storefs/'],
);
my $root = shift // die "usage: lint.pl ROOT\n";
chdir $root or die "lint.pl: $root: $!\n";
my (%text, %includes, $breaches);

sub complain {
    my ($place, $message) = @_;
    print "$place: $message\n";
    $breaches++;
}

sub files_below {
    my ($directory) = @_;
    opendir my $handle, $directory or return;
    my @names = sort grep { !/^\./ } readdir $handle;
    my @files;
    for my $path (map { "$directory/$_" } @names) {
        if (-d $path && !-l $path) {
            push @files, files_below($path);
        } elsif (is_source($path)) {
            push @files, $path;
        }
    }
    return @files;
}

sub is_source {
    my ($path) = @_;
    return 1 if $path =~ /\.(?:c|h|sh|pl|mk)$/;
    return 0 if $path =~ m{\.[^/]*$} || -B $path;
    open my $file, '<', $path or return 0;
    my $first = <$file> // '';
    # Not what libtool writes when somebody builds in the tree.
    return $first =~ /^#!/ && (<$file> // '') !~ /temporary wrapper/;
}

sub check_head {
    my ($file, $lines) = @_;
    my $c = $file =~ /\.[ch]$/;
    my $license = $c ? qr{^/\* SPDX-License-Identifier: MIT \*/$} : qr{^# SPDX-License-Identifier: MIT$};
    my $first = ($lines->[0] // '') =~ /^#!/ ? 1 : 0;
    if (($lines->[$first] // '') !~ $license) {
        complain("$file:1", 'does not begin with the SPDX line');
        return;
    }
    my @head = @{$lines}[$first + 1 .. ($#$lines < 12 ? $#$lines : 12)];
    my $comment = $c ? qr{^\s*(?:/?\*+|//)\s*\S*\w} : qr{^#\s*\w};
    return if grep { $_ =~ $comment } @head;
    complain("$file:2", 'no comment at the top says what the file is for');
}

sub check_lengths {
    my ($file, $lines) = @_;
    complain("$file:$max_file", 'has ' . @$lines . " lines, over $max_file") if @$lines > $max_file;
    return unless $file =~ /\.[ch]$/;
    my $start;
    for my $number (1 .. @$lines) {
        my $line = $lines->[$number - 1];
        $start = $number if $line =~ /^\{/ || $line =~ /^\w[^=]*\)\s*\{\s*$/;
        next unless defined $start && $line =~ /^\}/;
        my $length = $number - $start + 1;
        complain("$file:$start", "function of $length lines, over $max_function")
            if $length > $max_function;
        undef $start;
    }
}

sub check_words {
    my ($file, $lines) = @_;
    my $open_end = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' x 3;
    for my $number (1 .. @$lines) {
        complain("$file:$number", "an open end: $1") if $lines->[$number - 1] =~ /\b($open_end)\b/;
    }
}

# The code with comments and strings blanked, so that lines keep their numbers.
sub bare {
    my ($source) = @_;
    $source =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}
                {(my $blank = $1) =~ s/[^\n]/ /g; $blank}gse;
    return $source;
}

sub check_silence {
    my ($file) = @_;
    return unless $file =~ m{^(?:src|backends)/};
    my $number = 0;
    for my $line (split /\n/, bare($text{$file})) {
        $number++;
        next unless $line =~ /\b(v?printf|f?puts|perror|putchar|_?exit|getenv|secure_getenv)\s*\(/
            || $line =~ /\b(stdout|stderr)\b/;
        complain("$file:$number", "the library never prints, exits or reads the environment: $1");
    }
}

sub may_include {
    my ($file, $target) = @_;
    return 1 if $file =~ m{^tests/} || $file eq 'backends/registry.c';
    my ($area) = $file =~ m{^(src/[^/]+|[^/]+)/};
    my @prefixes = @{ $allowed{$area} // ['core/', 'util/', 'storefs/'] };
    return 0 if $target =~ m{^storefs/backend(?:_\w+)?\.h$} && $file =~ m{^(?:fs|tools)/};
    push @prefixes, "$1/" if $file =~ m{^src/([^/]+)/} && $1 ne 'include';
    push @prefixes, "backends/$1/", "$1/" if $file =~ m{^backends/([^/]+)/};
    return scalar grep { index($target, $_) == 0 } @prefixes;
}

# The file that an include names, as the compiler would find it, or undef.
sub resolve {
    my ($file, $target) = @_;
    my ($own) = $file =~ m{^(.*)/};
    for my $directory ($own, 'src/include', 'src', '.') {
        my $path = $directory eq '.' ? $target : "$directory/$target";
        return $path if exists $text{$path};
    }
    return undef;
}

# The name by which rules know a file: relative to src/include, src or the root.
sub rule_name {
    my ($path) = @_;
    $path =~ s{^src/include/}{} || $path =~ s{^src/}{};
    return $path;
}

sub check_includes {
    my ($file, $lines) = @_;
    return unless $file =~ /\.[ch]$/;
    for my $number (1 .. @$lines) {
        next unless $lines->[$number - 1] =~ /^\s*#\s*include\s+(["<])([^">]+)[">]/;
        my ($quote, $target) = ($1, $2);
        complain("$file:$number", 'only fs/ knows libfuse')
            if $target =~ /^fuse/ && $file !~ m{^(?:fs|tests)/};
        complain("$file:$number", 'only the backend knows its engine')
            if $target eq 'sqlite3.h' && $file !~ m{^(?:backends/sqlite|tests)/};
        next if $quote eq '<' && $target !~ m{^storefs/};
        my $path = $target =~ m{\.\./} ? undef : resolve($file, $target);
        if (!defined $path) {
            complain("$file:$number", "no such file on the include path: $target");
            next;
        }
        push @{ $includes{$file} }, $path;
        complain("$file:$number", "may not include $target")
            unless may_include($file, rule_name($path));
    }
}

sub find_cycle {
    my ($file, $state, @trail) = @_;
    return if ($state->{$file} // '') eq 'done';
    if (($state->{$file} // '') eq 'open') {
        complain("$file:1", 'headers include each other: ' . join(' -> ', @trail, $file));
        return;
    }
    $state->{$file} = 'open';
    find_cycle($_, $state, @trail, $file) for @{ $includes{$file} // [] };
    $state->{$file} = 'done';
}

sub check_listed {
    my ($lists, $file) = @_;
    return unless $file =~ /\.[ch]$/ || $file =~ m{^tests/.*\.sh$};
    complain("$file:1", 'is named in no local.mk') unless $lists =~ /(?:^|\s)\Q$file\E(?:\s|$)/;
}

my @files = map { files_below($_) } @areas;
die "lint.pl: no sources below $root\n" unless @files;
for my $file (@files) {
    open my $handle, '<', $file or die "lint.pl: $file: $!\n";
    local $/;
    $text{$file} = <$handle> // '';
}
my $lists = join "\n", map { $text{$_} } grep { /local\.mk$/ } @files;
for my $file (@files) {
    my @lines = split /\n/, $text{$file};
    check_head($file, \@lines);
    check_lengths($file, \@lines);
    check_words($file, \@lines);
    check_includes($file, \@lines);
    check_silence($file) if $file =~ /\.[ch]$/;
    check_listed($lists, $file);
}
my %state;
find_cycle($_, \%state) for grep { /\.h$/ } @files;
printf "%d files, %d breaches\n", scalar @files, $breaches // 0;
exit($breaches ? 1 : 0);
