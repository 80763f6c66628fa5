// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model
import PageScanner
import SyncStore

extension RunLoop {
    /// Reads one slice to its end and settles its absences.
    mutating func readSlice(
        _ stream: StreamDescriptor, _ slice: StreamSlice, _ strategy: any SyncStrategy,
        _ state: inout SliceState, wantsFull: Bool, _ lane: inout Lane
    ) async throws {
        if case .backfill(let since, let until) = job.kind {
            let reader =
                strategy.backfill(of: slice, since: since, until: until, resumingAt: nil)
                ?? strategy.fullSync(of: slice, resumingAt: nil)
            try await readRange(stream, reader, state, &lane)
            return
        }
        if state.begin(full: wantsFull, order: stream.cursorOrder) == .sweep {
            try await sweep(stream, &state, &lane)
            // The generation that was swept is the full sync that this job asks for.
            if wantsFull { return }
            _ = state.begin(full: false, order: stream.cursorOrder)
        }
        var resyncs = 0
        var end = try await enumerate(stream, slice, strategy, &state, resyncs: resyncs, &lane)
        while end == .resync {
            resyncs += 1
            // Records of two generations are never in one batch.
            try await flush(&lane)
            state.resync()
            end = try await enumerate(stream, slice, strategy, &state, resyncs: resyncs, &lane)
        }
        if state.phase == .sweep { try await sweep(stream, &state, &lane) }
        if case .complete(let covered?) = end { try await sweep(stream, state, covered, &lane) }
    }

    private enum EnumerationEnd: Equatable {
        /// The stretch of time that was listed, where the list was narrowed to one.
        case complete(TimeStretch?)
        case left
        case resync
    }

    /// Reads pages until the provider says that there are no more.
    private mutating func enumerate(
        _ stream: StreamDescriptor, _ slice: StreamSlice, _ strategy: any SyncStrategy,
        _ state: inout SliceState, resyncs: Int, _ lane: inout Lane
    ) async throws -> EnumerationEnd {
        let reader = makeReader(strategy, slice, state)
        var watch = PageGuard(maxPages: stream.maxPages, pagesBefore: Int(state.page))
        var history = FailurePolicy.History(isResumedPosition: state.position != nil, resyncs: resyncs)
        let isFull = state.phase == .full
        while true {
            switch try await nextPage(reader, state, &history) {
            case .left: return .left
            case .resync: return .resync
            case .page(let page):
                history = FailurePolicy.History(resyncs: resyncs)
                let ended = try await take(page, of: stream, &state, &watch, isFull: isFull, &lane)
                if ended { return .complete(page.covered) }
            }
        }
    }

    private func makeReader(
        _ strategy: any SyncStrategy, _ slice: StreamSlice, _ state: SliceState
    ) -> any PageReader {
        let position = state.position.map { PagePosition(text: $0) }
        if state.phase == .incremental, let cursor = state.cursor {
            return strategy.incrementalSync(of: slice, since: cursor.cursor, resumingAt: position)
        }
        return strategy.fullSync(of: slice, resumingAt: position)
    }

    /// Adds a page to what is pending; true when it was the last.
    private mutating func take(
        _ page: Page, of stream: StreamDescriptor, _ state: inout SliceState, _ watch: inout PageGuard,
        isFull: Bool, _ lane: inout Lane
    ) async throws -> Bool {
        let hashes = PageDigest.identifiers(of: page.scanned)
        do throws(PaginationLoop) {
            try watch.admit(page, identifierHashes: hashes)
        } catch {
            throw loop(error, stream, page)
        }
        let generation = isFull ? state.generation : windowGeneration(stream, isBackfill: false)
        if !pending.accepts(state, generation: generation) { try await flush(&lane) }
        let pageNumber = state.page
        state.advance(past: page, of: stream)
        pending.add(
            page, identifierHashes: hashes, of: state, generation: generation, pageNumber: pageNumber,
            memberOf: stream.memberOf, isFirstLoad: isFull && state.generation == 1, hasher: hasher, now: .now
        )
        var ended: (by: String, isFull: Bool)?
        if case .end(let condition) = page.continuation { ended = (condition.rawValue, isFull) }
        pending.note(state, counters: SyncCounters(page), ended: ended)
        let isProof = job.isRecovered && !hasToldProgress
        if isProof || pending.isDue(configuration, now: .now) { try await flush(&lane) }
        if isProof { try await settle(&lane) }
        try await makeRoom(&lane)
        return ended != nil
    }

    private func loop(_ loop: PaginationLoop, _ stream: StreamDescriptor, _ page: Page) -> Interruption {
        .failed(
            RunFailure(
                loop, stream: stream.name, page: page, secrets: Array(access.credential.known.values.values)))
    }

    private enum PageOutcome {
        case page(Page)
        case left
        case resync
    }

    /// Asks for the next page, as often as the policy says.
    private mutating func nextPage(
        _ reader: any PageReader, _ state: SliceState, _ history: inout FailurePolicy.History
    ) async throws -> PageOutcome {
        while true {
            if let reason = stop(ContinuousClock.now - started) { throw Interruption.stopped(reason) }
            let error: ConnectorError
            do throws(ConnectorError) {
                return .page(try await reader.nextPage())
            } catch let caught {
                error = caught
            }
            access.room?.leave()
            try Task.checkCancellation()
            var counters = SyncCounters()
            counters.apiCalls = Int64(error.requests)
            let failure = RunFailure(error)
            switch policy.step(after: error, history: history, jitter: Double.random(in: 0...1)) {
            case .tryAgain(let wait):
                counters.throttledMilliseconds =
                    error.errorClass == .rateLimited ? wait.wholeMilliseconds : 0
                pending.note(state, counters: counters)
                history.tries += 1
                try await ContinuousClock().sleep(for: wait)
                continue
            case .resync:
                pending.note(state, counters: counters)
                return .resync
            case .leaveStream:
                pending.note(state, counters: counters)
                leave(state, failure)
                return .left
            case .snooze(let wait): throw Interruption.snoozed(wait, failure)
            case .retryJob: throw Interruption.retry(failure)
            case .fail: throw Interruption.failed(failure)
            case .reauthRequired:
                throw Interruption.reauthRequired(failure, version: error.refusedVersion)
            }
        }
    }

    /// Reads a range for a backfill, or named objects: cursors and generations stay as they are, and so do absences but for
    /// those in a stretch of time that was listed from its beginning to its end.
    mutating func readRange(
        _ stream: StreamDescriptor, _ reader: any PageReader, _ state: SliceState, _ lane: inout Lane
    ) async throws {
        var watch = PageGuard(maxPages: stream.maxPages)
        let isBackfill = if case .backfill = job.kind { true } else { false }
        var history = FailurePolicy.History()
        var pageNumber: Int64 = 0
        while true {
            guard case .page(let page) = try await nextPage(reader, state, &history) else { return }
            history = FailurePolicy.History()
            let hashes = PageDigest.identifiers(of: page.scanned)
            do throws(PaginationLoop) {
                try watch.admit(page, identifierHashes: hashes)
            } catch {
                throw loop(error, stream, page)
            }
            let generation = windowGeneration(stream, isBackfill: isBackfill)
            if !pending.accepts(state, generation: generation) { try await flush(&lane) }
            pending.add(
                page, identifierHashes: hashes, of: state, generation: generation,
                pageNumber: pageNumber, memberOf: stream.memberOf, isFirstLoad: false, hasher: hasher,
                now: .now)
            pageNumber += 1
            pending.note(state, counters: SyncCounters(page))
            if case .changes = job.kind { noteFetched(page, state) }
            if pending.isDue(configuration, now: .now) { try await flush(&lane) }
            try await makeRoom(&lane)
            if case .end = page.continuation {
                if let covered = page.covered { try await sweep(stream, state, covered, &lane) }
                return
            }
        }
    }

    private mutating func sweep(
        _ stream: StreamDescriptor, _ state: inout SliceState, _ lane: inout Lane
    ) async throws {
        try await flush(&lane)
        try await settle(&lane)
        _ = try await store.sweep(
            run, stream: state.stream, partition: state.partition, generation: state.generation,
            guard: configuration.massDeleteGuard, needsTwoRuns: stream.absence == .twoRuns,
            children: children(of: stream))
        state.phase = .idle
    }

    /// The streams whose records go with those of this one, parents before children.
    func children(of stream: StreamDescriptor) -> [ChildStream] {
        var names: Set = [stream.name]
        return connector.streams.compactMap { child in
            guard let parent = child.parent?.stream, names.contains(parent) else { return nil }
            names.insert(child.name)
            return ChildStream(child.name, of: parent)
        }
    }
}

extension SyncCounters {
    /// What a page cost and showed; the store counts what it changed.
    init(_ page: Page) {
        self.init()
        pages = 1
        apiCalls = Int64(page.cost.apiCalls)
        bytesRead = Int64(page.cost.bytes)
        throttledMilliseconds = page.cost.throttled.wholeMilliseconds
        recordsRead = Int64(page.scanned.records.count + page.scanned.rejected.count + page.unnamed.count)
    }
}
