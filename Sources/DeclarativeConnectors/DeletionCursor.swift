// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import Model

/// The cursor of a stream that has a list of the deleted by time: `CURSOR deleted=TIME`.
///
/// The two move apart. What changed is asked for since the newest change, which may be years ago; what was deleted since that list
/// was last read, as it is remembered for days only.
struct DeletionCursor: Equatable {
    /// How far changes were read.
    let changes: Cursor
    /// Until when deletions were read; nil for a cursor without that, such as one of a manifest that had no such list.
    let deletions: Timestamp?

    private static let mark = " deleted="

    init(changes: Cursor, deletions: Timestamp?) {
        self.changes = changes
        self.deletions = deletions
    }

    /// Reads a stored one.
    init(_ cursor: Cursor) {
        guard let place = cursor.text.ranges(of: Self.mark).last,
            let time = Timestamp(rfc3339: String(cursor.text[place.upperBound...]))
        else {
            self.init(changes: cursor, deletions: nil)
            return
        }
        let text = String(cursor.text[..<place.lowerBound])
        self.init(changes: Cursor(text: text, order: cursor.order), deletions: time)
    }

    /// Both in one, compared by the changes.
    var cursor: Cursor {
        Cursor(
            text: changes.text + (deletions.map { Self.mark + $0.rfc3339 } ?? ""), order: changes.order)
    }
}
