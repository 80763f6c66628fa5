// SPDX-License-Identifier: Apache-2.0

import Model
import SyncStore

/// Which slices a run could not read because they may not be read, while others of their streams may.
struct SliceRefusals {
    private struct Stream {
        let name: String
        var unwritten: [SliceRefusal] = []
        /// What is told of the first ones.
        var examples: [String] = []
        /// What the run fails with when no slice of the stream may be read.
        let failure: RunFailure
        var standing: SliceStanding?
    }

    /// Of a stream whose slices are many the first few say enough.
    private static let exampleLimit = 3
    private var streams: [Stream] = []

    /// Whether every slice could be read so far.
    var isEmpty: Bool { streams.isEmpty }

    /// How many are still to be written.
    var unwrittenCount: Int { streams.reduce(0) { $0 + $1.unwritten.count } }

    mutating func note(_ failure: RunFailure, of state: SliceState) {
        let index = streams.firstIndex { $0.name == state.stream } ?? streams.endIndex
        if index == streams.endIndex { streams.append(Stream(name: state.stream, failure: failure)) }
        streams[index].unwritten.append(SliceRefusal(partition: state.partition, code: failure.code))
        guard streams[index].examples.count < Self.exampleLimit else { return }
        streams[index].examples.append("\(state.partition) (\(failure.code): \(failure.operatorDetail))")
    }

    /// Takes what is to be written of each stream; at the end of the run also nothing, of those that had something before.
    mutating func takeUnwritten(atEnd: Bool) -> [(stream: String, refusals: [SliceRefusal])] {
        streams.indices.compactMap { index in
            guard atEnd || !streams[index].unwritten.isEmpty else { return nil }
            defer { streams[index].unwritten = [] }
            return (streams[index].name, streams[index].unwritten)
        }
    }

    mutating func note(_ standing: SliceStanding, of stream: String) {
        guard let index = streams.firstIndex(where: { $0.name == stream }) else { return }
        streams[index].standing = standing
    }

    /// The failure of the first stream of which nothing may be read: then it is no matter of single slices.
    var failure: RunFailure? { streams.first { $0.standing?.readable == 0 }?.failure }

    /// How a run ends that read all that it may; nil when that was all.
    func end(title: String) -> RunEnd? {
        guard !streams.isEmpty else { return nil }
        let detail = streams.map { stream in
            let (refused, readable) = (stream.standing?.refused ?? 0, stream.standing?.readable ?? 0)
            return
                "stream \(stream.name): \(refused) of \(refused + readable) slices may not be read, among them: "
                + stream.examples.joined(separator: "; ")
        }
        return RunEnd(
            .succeeded, errorCode: "slices_refused",
            errorMessage:
                "Some of the data at \(title) may not be read with this account. Everything else is up to date.",
            errorDetail: detail.joined(separator: "\n"))
    }
}

extension RunLoop {
    /// Leaves what cannot be read. One slice of many that may not be read is no failure of a run that enumerates them. What a
    /// notification or a person named is asked for once: there it is one.
    mutating func leave(_ state: SliceState, _ failure: RunFailure) {
        let isEnumeration = job.kind == .full || job.kind == .incremental
        guard isEnumeration, !state.partition.isEmpty, failure.errorClass == .permission else {
            self.failure = self.failure ?? failure
            return
        }
        refusals.note(failure, of: state)
    }

    /// Writes which slices may not be read, after what was read of the others. At the end the slices are counted once more: others
    /// may have been read since.
    mutating func writeRefusals(_ lane: inout Lane, atEnd: Bool) async throws {
        guard atEnd ? !refusals.isEmpty : refusals.unwrittenCount > 0 else { return }
        try await flush(&lane)
        try await settle(&lane)
        for (stream, refused) in refusals.takeUnwritten(atEnd: atEnd) {
            refusals.note(try await store.refuse(refused, stream: stream, in: run), of: stream)
        }
    }
}
