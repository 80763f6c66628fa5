// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The live objects of a user's stream at one moment, a line each, made piece by piece.
///
/// It holds the collections as they were when it was made: edits during the transfer do not change it.
struct ObjectListing: Sendable {
    private let bytes: ObjectBytes
    private let stream: SandboxStream
    private let collections: [Collection]
    private var collection = 0
    private var index = 0

    init(_ stream: SandboxStream, _ collections: [Collection], bytes: ObjectBytes) {
        self.stream = stream
        self.collections = collections
        self.bytes = bytes
    }

    /// The next lines, some `size` bytes of them; nil at the end.
    mutating func next(size: Int = 64 << 10) -> ByteBuffer? {
        var piece = ByteBuffer()
        while collection < collections.count, piece.readableBytes < size {
            let current = collections[collection]
            guard index < current.count else {
                (collection, index) = (collection + 1, 0)
                continue
            }
            if current.isShown(index, in: stream) {
                let id = JSONText.escaped(bytes.externalID(current, index, in: stream))
                piece.writeString("{\"external_id\":\"\(id)\",\"data\":\(bytes.json(current, index))}\n")
            }
            index += 1
        }
        return piece.readableBytes > 0 ? piece : nil
    }
}
