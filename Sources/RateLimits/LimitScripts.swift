// SPDX-License-Identifier: Apache-2.0

import RedisClient

/// The scripts of the limiter: their files with the prelude inserted below the first line.
enum LimitScripts {
    static let admit = assembled(PackageResources.admit_lua)
    static let settle = assembled(PackageResources.settle_lua)

    private static func assembled(_ file: [UInt8]) -> RedisScript {
        let lineEnd = UInt8(ascii: "\n")
        let first = file.prefix { $0 != lineEnd }
        return RedisScript(first + [lineEnd] + PackageResources.prelude_lua + file.dropFirst(first.count))
    }
}
