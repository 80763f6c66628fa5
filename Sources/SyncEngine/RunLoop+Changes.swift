// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import SyncStore

/// Reading what notifications named. Objects are fetched as they are now, so that late, doubled and reordered notifications
/// change nothing; cursors, generations and absences stay as they are.
extension RunLoop {
    mutating func readChanges(_ changes: ChangeSet, _ lane: inout Lane) async throws {
        var changes = changes
        try await addUnknownParents(to: &changes)
        for stream in connector.streams where changes.concerns(stream.name) {
            guard let strategy = try makeStrategy(stream) else { continue }
            if changes.streams.contains(stream.name) {
                try await readStream(stream, strategy, wantsFull: false, &lane)
            }
            if let binding = stream.parent {
                try await readChildChanges(changes, of: stream, binding, strategy, &lane)
            } else if let ids = changes.objects[stream.name]?[.whole] {
                var state = states[stream.name] ?? SliceState(stream: stream.name, partition: "")
                try await read(ids, of: stream, .whole, strategy, &state, &lane)
                states[stream.name] = state
            }
        }
        try await deleteOrphans(&lane)
    }

    /// What belongs to an object that turned out to be deleted goes with it, and what belongs to that.
    private mutating func deleteOrphans(_ lane: inout Lane) async throws {
        try await flush(&lane)
        var lost = streamsWithTombstones
        for stream in connector.streams {
            guard let parent = stream.parent?.stream, lost.contains(parent) else { continue }
            try await settle(&lane)
            let deleted = try await store.deleteOrphans(run, stream: stream.name, parent: parent)
            if deleted > 0 { lost.insert(stream.name) }
        }
    }

    /// A child is read with values of its parent's record. A parent that is not there yet is fetched before. One that is itself a
    /// child is not: its id alone does not say whose child it is, so the connector names it where it is wanted.
    private func addUnknownParents(to changes: inout ChangeSet) async throws {
        for stream in connector.streams {
            guard let binding = stream.parent, binding.grandparent == nil else { continue }
            let wanted = changes.partitions(of: stream.name)
            guard !wanted.isEmpty else { continue }
            let known = try await store.parents(
                of: run, stream: binding.stream, grandparent: nil, ids: wanted,
                values: ParentValues())
            let names = Set(known.map(\.externalID))
            let named = Set((changes.objects[binding.stream]?[.whole] ?? []).map(ExactText.init))
            for id in wanted.map(ExactText.init) where !names.contains(id) && !named.contains(id) {
                changes.add(.object(stream: binding.stream, partition: "", id: id.description))
            }
        }
    }

    private mutating func readChildChanges(
        _ changes: ChangeSet, of stream: StreamDescriptor, _ binding: ParentBinding,
        _ strategy: any SyncStrategy, _ lane: inout Lane
    ) async throws {
        let wanted = changes.partitions(of: stream.name)
        guard !wanted.isEmpty else { return }
        // The parents read in this run have to be there.
        try await flush(&lane)
        try await settle(&lane)
        let parents = try await store.parents(
            of: run, stream: binding.stream, grandparent: binding.grandparent?.stream, ids: wanted,
            values: binding.wanted)
        let stored = try await store.slices(of: run, stream: stream.name, partitions: wanted)
        for parent in parents {
            let partition = parent.externalID
            let slice = try bind(binding, stream, parent)
            var state =
                stored[partition] ?? SliceState(stream: stream.name, partition: partition.description)
            if changes.slices[stream.name]?.contains(partition) == true {
                try await readSlice(stream, slice, strategy, &state, wantsFull: false, &lane)
            }
            if let ids = changes.objects[stream.name]?[partition] {
                try await read(ids, of: stream, slice, strategy, &state, &lane)
            }
        }
    }

    /// So that a job that has to wait for a limit does not fetch again what it has.
    func noteFetched(_ page: Page, _ state: SliceState) {
        for record in page.scanned.records {
            let id = String(decoding: page.scanned.identifiers[record.identifierRange], as: UTF8.self)
            job.fetched(.object(stream: state.stream, partition: state.partition, id: id))
        }
    }

    /// A slice that was never read is read whole: one object of it would say nothing of the others.
    private mutating func read(
        _ ids: [String], of stream: StreamDescriptor, _ slice: StreamSlice, _ strategy: any SyncStrategy,
        _ state: inout SliceState, _ lane: inout Lane
    ) async throws {
        if state.generation > 0, let reader = strategy.realTimeSync(of: slice, objects: ids) {
            try await readRange(stream, reader, state, &lane)
        } else {
            try await readSlice(stream, slice, strategy, &state, wantsFull: false, &lane)
        }
    }
}
