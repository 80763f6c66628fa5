// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import SyncStore

/// All rules about cursors, generations and positions. A cursor moves with a page only on a stream that comes oldest
/// first; else the largest one waits as `pending` until the enumeration has ended.
extension SliceState {
    /// What a slice does next in a run.
    enum Step: Equatable {
        /// Read pages: from the start, or from `position`.
        case enumerate
        /// Settle the absences of the generation that was read.
        case sweep
    }

    /// Decides what a job of this kind does with the slice. An enumeration of the same kind that was interrupted goes on;
    /// a slice that was never read whole is read whole first.
    mutating func begin(full: Bool, order: CursorOrder) -> Step {
        switch phase {
        case .sweep: return .sweep
        // An interrupted full enumeration comes first: an incremental would have no complete base to build on.
        case .full: return .enumerate
        case .incremental where !full && cursor != nil: return .enumerate
        case .incremental, .idle: break
        }
        start(full || cursor == nil || order == .none ? .full : .incremental)
        return .enumerate
    }

    /// Forgets the cursor and starts over in a new generation. Nothing is deleted: the new generation's end decides.
    mutating func resync() {
        cursor = nil
        start(.full)
    }

    /// Takes note of a page that is about to be committed.
    mutating func advance(past page: Page, of stream: StreamDescriptor) {
        self.page += 1
        if let seen = page.cursor {
            switch stream.cursorOrder {
            case .none: break
            case .ascending: cursor = StoredCursor.later(cursor, StoredCursor(seen))
            case .atEnd: pending = StoredCursor.later(pending, StoredCursor(seen))
            }
        }
        switch page.continuation {
        case .next(let next):
            position = next.text
        case .end:
            if let pending { cursor = phase == .full ? pending : StoredCursor.later(cursor, pending) }
            pending = nil
            position = nil
            phase = phase == .full && stream.absence != .never ? .sweep : .idle
        }
    }

    mutating func start(_ phase: Phase) {
        self.phase = phase
        pending = nil
        position = nil
        page = 0
        if phase == .full { generation += 1 }
    }
}

extension SliceState.StoredCursor {
    init(_ cursor: Cursor) {
        self.init(text: cursor.text, order: cursor.order)
    }

    var cursor: Cursor { Cursor(text: text, order: order) }

    /// The larger of two cursors that can be compared, else the newer one: of two that are equal one may say more.
    static func later(_ old: Self?, _ new: Self) -> Self {
        guard let old, let oldOrder = old.order, let newOrder = new.order else { return new }
        return newOrder >= oldOrder ? new : old
    }
}

/// The row of a whole child stream: how far its parents were walked through.
extension SliceState {
    /// Goes on with an interrupted walk, or starts one. An interrupted full walk is ended first.
    mutating func beginParents(full: Bool) {
        let wanted: Phase = full ? .full : .incremental
        guard phase != .full, phase != wanted else { return }
        start(wanted)
    }

    mutating func endParents() {
        phase = .idle
        position = nil
    }
}
