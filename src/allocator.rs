//! The allocator of the command: mimalloc, which is good at blocks that another thread frees.
//!
//! Rust names an alignment with every allocation, and mimalloc has a slower way for those that do. Its blocks are aligned to 16 bytes
//! anyway where they are at least that large, and to 8 where they are smaller, so nearly all requests go the ordinary way.

use std::alloc::{GlobalAlloc, Layout};

/// Every block of at least this size has this alignment.
const ALIGNED: usize = 16;
/// Every block has this alignment.
const ALIGNED_ALWAYS: usize = 8;

/// The allocator.
pub(crate) struct Allocator;

/// Whether the ordinary blocks of that size have that alignment.
#[inline]
fn is_aligned_anyway(size: usize, align: usize) -> bool {
    align <= ALIGNED_ALWAYS || align <= ALIGNED && size >= ALIGNED
}

// SAFETY: the functions of mimalloc keep the contract of an allocator; a block of the ordinary way has the alignment that is asked
// for, as `is_aligned_anyway` makes sure; blocks of both ways are freed and grown by the same functions.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        if is_aligned_anyway(size, align) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_malloc(size).cast() }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { libmimalloc_sys::mi_malloc_aligned(size, align).cast() }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        if is_aligned_anyway(size, align) {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_zalloc(size).cast() }
        } else {
            // SAFETY: a layout's alignment is a power of two.
            unsafe { libmimalloc_sys::mi_zalloc_aligned(size, align).cast() }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller promises a live block of this allocator.
        unsafe { libmimalloc_sys::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if is_aligned_anyway(size, layout.align()) {
            // SAFETY: the caller promises a live block of this allocator.
            unsafe { libmimalloc_sys::mi_realloc(block.cast(), size).cast() }
        } else {
            // SAFETY: as above; a layout's alignment is a power of two.
            unsafe { libmimalloc_sys::mi_realloc_aligned(block.cast(), size, layout.align()).cast() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_keep_their_bytes_when_they_grow() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in [1, 7, 8, 9, 15, 16, 17, 24, 40, 48, 100, 1000, 5000, 100_000] {
                let layout = Layout::from_size_align(size, align).expect("small sizes fit any alignment");
                // SAFETY: the layout is not empty; the block is written within its size, grown, and freed with its new layout.
                unsafe {
                    let block = Allocator.alloc(layout);
                    assert!((block as usize).is_multiple_of(align), "{size} bytes aligned to {align}");
                    block.write_bytes(7, size);
                    let larger = Allocator.realloc(block, layout, size * 3);
                    assert!((larger as usize).is_multiple_of(align), "{size} bytes aligned to {align}, grown");
                    assert!((0..size).all(|index| larger.add(index).read() == 7), "{size} bytes keep what was written");
                    Allocator.dealloc(larger, Layout::from_size_align(size * 3, align).expect("small sizes fit any alignment"));
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!((zeroed as usize).is_multiple_of(align) && (0..size).all(|index| zeroed.add(index).read() == 0));
                    Allocator.dealloc(zeroed, layout);
                }
            }
        }
    }
}
