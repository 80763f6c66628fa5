// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A copy of secret bytes in memory of its own, overwritten before it is freed.
final class WipedBytes: @unchecked Sendable {
    // @unchecked: the memory is written in init and deinit only.
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: [UInt8]) {
        self.bytes = .allocate(capacity: bytes.count)
        _ = self.bytes.initialize(from: bytes)
    }

    deinit {
        OPENSSL_cleanse(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    func withBytes<Result>(_ body: (UnsafePointer<UInt8>?) -> Result) -> Result {
        body(UnsafePointer(bytes.baseAddress))
    }
}
