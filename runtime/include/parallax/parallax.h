/* parallax/parallax.h: everything an embedder needs. See docs/embedding.md. */
#ifndef PARALLAX_PARALLAX_H
#define PARALLAX_PARALLAX_H

#include <parallax/barrier.h>
#include <parallax/base.h>
#include <parallax/cycle.h>
#include <parallax/fixed.h>
#include <parallax/guardian.h>
#include <parallax/heap.h>
#include <parallax/histogram.h>
#include <parallax/identity.h>
#include <parallax/layout.h>
#include <parallax/listener.h>
#include <parallax/nativestack.h>
#include <parallax/object.h>
#include <parallax/pin.h>
#include <parallax/root.h>
#include <parallax/rootstack.h>
#include <parallax/stackmap.h>
#include <parallax/tag.h>
#include <parallax/thread.h>
#include <parallax/weak.h>

#endif
