// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import SyncStore

extension RunLoop {
    /// Reads a child stream: one slice for each live record of its parent stream that is meant, in the order of their ids.
    mutating func readChildren(
        _ stream: StreamDescriptor, _ binding: ParentBinding, _ strategy: any SyncStrategy, _ lane: inout Lane
    ) async throws {
        // The parents read in this run have to be there.
        try await flush(&lane)
        try await settle(&lane)
        let isBackfill = if case .backfill = job.kind { true } else { false }
        var whole = states[stream.name] ?? SliceState(stream: stream.name, partition: "")
        if !isBackfill { whole.beginParents(full: job.kind == .full) }
        let wantsFull = whole.phase == .full
        var after = isBackfill ? "" : whole.position ?? ""
        while true {
            let parents = try await store.parents(
                of: run, binding.query(of: stream.name, isIncremental: !isBackfill && !wantsFull),
                after: after, limit: Self.parentBatch)
            guard let last = parents.last else { break }
            let stored = try await store.slices(
                of: run, stream: stream.name, partitions: parents.map(\.externalID.description))
            for parent in parents {
                let slice = try bind(binding, stream, parent)
                var state =
                    stored[parent.externalID]
                    ?? SliceState(stream: stream.name, partition: parent.externalID.description)
                try await readSlice(stream, slice, strategy, &state, wantsFull: wantsFull, &lane)
                if !isBackfill {
                    whole.position = parent.externalID.description
                    pending.note(whole)
                }
            }
            after = last.externalID.description
            if refusals.unwrittenCount >= Self.parentBatch { try await writeRefusals(&lane, atEnd: false) }
        }
        guard !isBackfill else { return }
        whole.endParents()
        states[stream.name] = whole
        pending.note(whole, ended: ("parents_read", wantsFull))
        try await flush(&lane)
        try await settle(&lane)
        _ = try await store.deleteOrphans(run, stream: stream.name, parent: binding.stream)
    }

    func bind(
        _ binding: ParentBinding, _ stream: StreamDescriptor, _ parent: ParentRecord
    ) throws(Interruption) -> StreamSlice {
        var values: [String: String] = [:]
        func read(
            _ wanted: [String: JSONPointer], _ source: String, _ value: (JSONPointer) -> String?
        ) throws(Interruption) {
            for (name, pointer) in wanted {
                guard let value = value(pointer) else {
                    throw .failed(
                        RunFailure(
                            .contractViolation, code: "parent_value_missing",
                            userMessage: "The service sent data in an unexpected form.",
                            operatorDetail: "stream \(stream.name): a record of \(source) has no "
                                + "\(pointer.text) for ${parent.\(name)}"))
                }
                values[name] = value
            }
        }
        if let grandparent = binding.grandparent {
            try read(grandparent.values, grandparent.stream, parent.grandparentValue)
        }
        try read(binding.values, binding.stream, parent.value)
        return StreamSlice(partition: parent.externalID.description, values: values)
    }

    /// Parents whose slices are loaded at once.
    private static let parentBatch = 200
}

extension ParentBinding {
    /// The values that slices of the child are made of.
    var wanted: ParentValues {
        ParentValues(
            own: Array(values.values), grandparent: grandparent.map { Array($0.values.values) } ?? [])
    }

    fileprivate func query(of child: String, isIncremental: Bool) -> ParentQuery {
        var query = ParentQuery(stream: stream, child: child)
        query.grandparent = grandparent?.stream
        query.condition = condition?.tokens
        query.values = wanted
        query.isChangedAlone = readsChangedAlone && isIncremental
        return query
    }
}
